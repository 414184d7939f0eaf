/**
 * Reads a tar archive that a backup holds, entry by entry, and compares each file with its checksum. What the names
 * may be is checked here, for whoever writes and for whoever only verifies.
 */
import { createHash } from 'node:crypto'
import { extract, type Header } from 'tar-stream'
import { KeywrightError } from '../../errors.ts'
import { damaged, systemCode } from './failures.ts'
import { feed } from './tar-feed.ts'
import { isInnerName, staysInside } from './tree-names.ts'

/** What is stored of a file, folder or link beside its content. */
export interface NodeFacts {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: Date
}

/** Takes the entries of an archive in their order. '' is the folder itself, and the first one. */
export interface TreeVisitor {
  folder(name: string, facts: NodeFacts): Promise<void>
  /** Reads `content` to its end. */
  file(name: string, facts: NodeFacts, content: AsyncIterable<Uint8Array>): Promise<void>
  link(name: string, facts: NodeFacts, target: string): Promise<void>
}

/** Looks at everything and keeps nothing. */
export const onlyLooking: TreeVisitor = {
  async folder() {},
  async file(_name, _facts, content) {
    for await (const _ of content);
  },
  async link() {},
}

/** The archive in `content` for `visitor`; gives `hashed` the SHA-256 of each file. Resolves to the number of files. */
export async function readTree(
  content: AsyncIterable<Uint8Array>,
  visitor: TreeVisitor,
  hashed: (sha256: Buffer) => void,
): Promise<number> {
  const archive = extract()
  let unfed: unknown
  let refused: unknown
  const fed = feedAll(archive, content).catch((error: unknown) => {
    unfed ??= error
    archive.destroy(error as Error)
  })
  let files = 0
  try {
    for await (const entry of archive) {
      try {
        if (await visit(entry.header, entry as AsyncIterable<Uint8Array>, visitor, hashed)) files++
      } catch (error) {
        refused = unfed ?? error
        throw error
      }
    }
    await fed
  } catch (error) {
    throw told(refused ?? unfed ?? error)
  } finally {
    archive.destroy()
    await fed
  }
  if (unfed !== undefined) throw told(unfed)
  return files
}

async function feedAll(
  archive: ReturnType<typeof extract>,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of content) await feed(archive, chunk)
  archive.end(null)
}

/** Errors of tar-stream have neither a code nor words that help. */
function told(error: unknown): unknown {
  if (error instanceof KeywrightError || typeof (error as NodeJS.ErrnoException).errno === 'number')
    return error
  return systemCode(error).startsWith('ERR_') ? error : damaged('its archive cannot be read')
}

/** Whether it was a file. */
async function visit(
  header: Header,
  content: AsyncIterable<Uint8Array>,
  visitor: TreeVisitor,
  hashed: (sha256: Buffer) => void,
): Promise<boolean> {
  const name = nameOf(header)
  const facts = factsOf(header)
  if (header.type === 'file' && name !== '') {
    const hash = createHash('sha256')
    await visitor.file(name, facts, hashing(content, hash))
    hashed(hash.digest())
    return true
  }
  if (header.type === 'directory') await visitor.folder(name, facts)
  else if (header.type === 'symlink' && name !== '') await visitor.link(name, facts, targetOf(header, name))
  else throw damaged('its archive has an entry of a kind that no backup has')
  for await (const _ of content); // nothing is in there; the next entry comes when it was read
  return false
}

async function* hashing(
  content: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    hash.update(chunk)
    yield chunk
  }
}

function nameOf({ name, type }: Header): string {
  const plain = type === 'directory' ? name.replace(/\/$/, '') : name
  if (plain === '.' && type === 'directory') return ''
  if (isInnerName(plain)) return plain
  throw damaged('its archive has a name that leads out of the folder', 'do not trust where it came from')
}

function targetOf({ linkname }: Header, name: string): string {
  if (typeof linkname === 'string' && staysInside(name, linkname)) return linkname
  throw damaged('its archive has a link that leads out of the folder', 'do not trust where it came from')
}

function factsOf({ gid, mode, mtime, pax, uid }: Header): NodeFacts {
  const large = (pax ?? {}) as Readonly<Record<string, string>>
  const seconds = whole(large['mtime'])
  return {
    mode: mode & 0o7777,
    uid: whole(large['uid']) ?? uid,
    gid: whole(large['gid']) ?? gid,
    mtime: seconds === undefined ? mtime : new Date(seconds * 1000),
  }
}

/** What does not fit into the header stands in a pax record. */
const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d{1,12}$/.test(text) ? Number(text) : undefined
