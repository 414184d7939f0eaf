/** A key store made by hand, from the statements in docs/format.md and the frozen rows. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Policy } from '../../src/index.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import { documentText, frozenExamples } from './examples.ts'

const frozen = frozenExamples()
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** The default policy, with financial_data under X-AES-256-GCM as in the examples. */
export function examplePolicy(): Policy {
  const algorithm = 'X-AES-256-GCM' as const
  const base = defaultPolicy({ provider: 'file' })
  const keyTypes = Object.entries(base.keyTypes).map(
    ([name, type]) => [name, name === 'financial_data' ? { ...type, algorithm } : type] as const,
  )
  return { ...base, keyTypes: Object.fromEntries(keyTypes) }
}

/** The store of section 6.4, made by hand from the document: its statements and the frozen rows. */
export function restoreStore(where: string): string {
  const path = join(where, 'keys.db')
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA application_id = ${0x4b575354}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL`)
  database.exec(schemaOfDocument())
  database
    .prepare('INSERT INTO meta VALUES (?, ?)')
    .run('installation', '6f1d7c0e-3f6a-4f0e-9a53-0a2d1c9be001')
  for (const { macInput: _, wrapContext: __, ...row } of frozen.records.records) {
    const columns = Object.keys(row)
    const values = { ...row, commitment: hex(row.commitment), mac: hex(row.mac) }
    database
      .prepare(`INSERT INTO key_records (${columns}) VALUES (${columns.map(() => '?')})`)
      .run(...Object.values(values))
  }
  database.close()
  return path
}

/** The statements of section 6.4 that made version 1 of the schema. */
export function schemaOfDocument(): string {
  return statementsOfDocument()[0] ?? ''
}

/** All of them, one text for each version of the schema. */
export function statementsOfDocument(): string[] {
  return [...documentText('format.md').matchAll(/```sql\n([^`]*)```/g)].map(([, sql = '']) => sql)
}
