/** Documents in the SQLite file: a table since schema version 2. */
import type { DocumentStore, StoredDocument } from '../../src/store.ts'
import {
  assertDocumentName,
  assertRevision,
  checkedDocument,
  namesWith,
  soundDocument,
} from '../shared/documents.ts'
import type { Row } from '../shared/rows.ts'
import type { Connection, Session } from './connection.ts'
import { toNumber } from './rows.ts'
import { DOCUMENTS_SINCE, schemaVersion } from './schema.ts'

/** Every statement on documents. */
const SQL = {
  read: 'SELECT name, text, revision FROM documents WHERE name = ?',
  list: 'SELECT name, text, revision FROM documents WHERE name >= ? AND name < ? ORDER BY name',
  insert: 'INSERT INTO documents (name, text, revision) VALUES (?, ?, 1) ON CONFLICT DO NOTHING',
  update: 'UPDATE documents SET text = ?, revision = ? WHERE name = ? AND revision = ?',
  remove: 'DELETE FROM documents WHERE name = ? AND revision = ?',
} as const

/** The documents of the store behind `connection`. A file that may only be read may be too old to have any. */
export function sqliteDocuments(connection: Connection, path: string): DocumentStore {
  const rows = (sql: string, ...values: string[]): Promise<StoredDocument[]> =>
    connection.read((session) =>
      hasDocuments(session)
        ? session
            .statement(sql)
            .all(...values)
            .map((row) => toDocument(row, path))
        : [],
    )
  const change = (sql: string, ...values: (string | number)[]): Promise<boolean> =>
    connection.write((session) => Number(session.statement(sql).run(...values).changes) === 1)
  return {
    async read(name) {
      assertDocumentName(name)
      return (await rows(SQL.read, name))[0]
    },
    async write(document) {
      const { name, text, revision } = checkedDocument(document)
      if (revision === 1) return change(SQL.insert, name, text)
      return change(SQL.update, text, revision, name, revision - 1)
    },
    async remove(name, revision) {
      assertDocumentName(name)
      assertRevision(revision)
      return change(SQL.remove, name, revision)
    },
    async list(prefix) {
      const { from, before } = namesWith(prefix)
      return rows(SQL.list, from, before)
    },
  }
}

const hasDocuments = ({ database }: Session): boolean => schemaVersion(database) >= DOCUMENTS_SINCE

function toDocument(row: Row, path: string): StoredDocument {
  const revision = toNumber(row['revision'])
  return soundDocument({ name: row['name'], text: row['text'], revision }, path)
}
