/** Examples of keys, what is derived from them, and key records. */
import { DatabaseSync } from 'node:sqlite'
import { deriveBytes } from '../../src/crypto/derive.ts'
import { wrapContextOf } from '../../src/keys/record.ts'
import { dataKeyOf, exampleKey, KEYS, type SetUp } from './set-up.ts'

/** The data keys, and what is derived from one of them. */
export function keyExamples() {
  const keys = KEYS.map((key) => ({ ...key, dataKey: dataKeyOf(key).toString('hex') }))
  const dataKey = exampleKey('pii 2')
  const derived = (purpose: Parameters<typeof deriveBytes>[1]): string =>
    deriveBytes(dataKey, purpose).toString('hex')
  return [
    { example: 'keys', keys },
    {
      example: 'derived-keys',
      dataKey: dataKey.toString('hex'),
      commitment: derived('commitment'),
      recordMacKey: derived('recordMac'),
      auditMacKey: derived('auditMac'),
    },
  ]
}

/** Every record as it stands in the SQLite store, with the inputs of its MAC and wraps spelled out. */
export function recordExample({ storePath }: SetUp) {
  const database = new DatabaseSync(storePath, { readOnly: true })
  const rows = database.prepare('SELECT * FROM key_records ORDER BY keyring, version').all()
  database.close()
  return {
    example: 'records',
    records: rows.map((row) => ({
      ...row,
      commitment: Buffer.from(row['commitment'] as Uint8Array).toString('hex'),
      mac: Buffer.from(row['mac'] as Uint8Array).toString('hex'),
      macInput: macInputOf(row),
      wrapContext: wrapContextOf({
        id: Number(row['id']),
        keyring: String(row['keyring']),
        version: Number(row['version']),
        algorithm: 'AES-256-GCM',
        createdAt: 0,
      }).bytes.toString(),
    })),
  }
}

function macInputOf(row: Readonly<Record<string, unknown>>): string {
  const commitment = Buffer.from(row['commitment'] as Uint8Array).toString('hex')
  const { algorithm, created_at, id, keyring, version } = row
  return JSON.stringify({
    algorithm,
    commitment,
    created_at: String(created_at),
    id: String(id),
    keyring,
    version: String(version),
  })
}
