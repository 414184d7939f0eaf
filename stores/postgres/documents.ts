/** Documents in a table of the store's schema. */
import type { DocumentStore, StoredDocument } from '../../src/store.ts'
import {
  assertDocumentName,
  assertRevision,
  checkedDocument,
  namesWith,
  soundDocument,
} from '../shared/documents.ts'
import type { Database } from './database.ts'
import type { TextRow } from './lib.ts'
import { toNumber } from './rows.ts'
import { quoted } from './schema.ts'

/** The documents of the store in `schema`. `open` gives its database, or throws when the store is closed. */
export function postgresDocuments(open: () => Database, schema: string): DocumentStore {
  const table = `${quoted(schema)}.documents`
  const change = async (sql: string, values: readonly unknown[]): Promise<boolean> => {
    const database = open()
    database.assertWritable()
    return (await database.query(`${sql} RETURNING 1`, values)).length === 1
  }
  const select = async (where: string, values: readonly string[]): Promise<StoredDocument[]> => {
    const database = open()
    const rows = await database.query(`SELECT name, text, revision FROM ${table} WHERE ${where}`, values)
    return rows.map((row) => toDocument(row, database.location))
  }
  return {
    async read(name) {
      assertDocumentName(name)
      return (await select('name = $1', [name]))[0]
    },
    async write(document) {
      const { name, text, revision } = checkedDocument(document)
      if (revision === 1) {
        return change(`INSERT INTO ${table} VALUES ($1, $2, 1) ON CONFLICT DO NOTHING`, [name, text])
      }
      return change(
        `UPDATE ${table} SET text = $2, revision = revision + 1 WHERE name = $1 AND revision = $3`,
        [name, text, revision - 1],
      )
    },
    async remove(name, revision) {
      assertDocumentName(name)
      assertRevision(revision)
      return change(`DELETE FROM ${table} WHERE name = $1 AND revision = $2`, [name, revision])
    },
    async list(prefix) {
      const { from, before } = namesWith(prefix)
      return select('name >= $1 AND name < $2 ORDER BY name', [from, before])
    },
  }
}

function toDocument(row: TextRow, location: string): StoredDocument {
  const revision = toNumber(row['revision'])
  return soundDocument({ name: row['name'], text: row['text'], revision }, location)
}
