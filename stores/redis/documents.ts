/** Documents as hashes, with their names in a sorted set. */
import type { DocumentStore, StoredDocument } from '../../src/store.ts'
import {
  assertDocumentName,
  assertRevision,
  checkedDocument,
  namesWith,
  soundDocument,
} from '../shared/documents.ts'
import { REMOVE_DOCUMENT, WRITE_DOCUMENT } from './scripts.ts'
import type { Session } from './session.ts'

/** A text may have 1 MiB. */
const PAGE_NAMES = 32

/** The documents of an opened store. */
export function redisDocuments(session: Session): DocumentStore {
  const { docs, doc } = session.names

  async function find(names: readonly string[]): Promise<StoredDocument[]> {
    const replies = await session.read(
      ...names.map((name) => ['HMGET', doc(name), 'text', 'revision'] as const),
    )
    return replies.flatMap((reply, place) => {
      const [text, revision]: unknown[] = Array.isArray(reply) ? reply : []
      // Removed since its name was read.
      if (text === null && revision === null) return []
      return [soundDocument({ name: names[place], text, revision: Number(revision) }, session.location)]
    })
  }

  return {
    async read(name) {
      session.assertOpen()
      assertDocumentName(name)
      return (await find([name]))[0]
    },
    async write(document) {
      session.assertOpen()
      const { name, revision, text } = checkedDocument(document)
      const args = [revision - 1, revision, text, name]
      return (await session.write(WRITE_DOCUMENT, [doc(name), docs], args)) === 'yes'
    },
    async remove(name, revision) {
      session.assertOpen()
      assertDocumentName(name)
      assertRevision(revision)
      return (await session.write(REMOVE_DOCUMENT, [doc(name), docs], [revision, name])) === 'yes'
    },
    async list(prefix) {
      session.assertOpen()
      const { before, from } = namesWith(prefix)
      const [reply] = await session.read(['ZRANGEBYLEX', docs, `[${from}`, `(${before}`])
      const names = (Array.isArray(reply) ? reply : []).map(String)
      const found: StoredDocument[] = []
      for (let at = 0; at < names.length; at += PAGE_NAMES) {
        found.push(...(await find(names.slice(at, at + PAGE_NAMES))))
      }
      return found
    },
  }
}
