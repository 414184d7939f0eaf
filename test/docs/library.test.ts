/**
 * The library and docs/format.md say the same: it reads the frozen examples of format 1 (and must for ever), and the
 * reader made from the document reads what the library writes now.
 */
import crypto from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fileProvider from '../../providers/file.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import { canonicalText } from '../../src/crypto/canonical.ts'
import { type FieldType, type KeyProvider, KeywrightError, seal, unseal } from '../../src/index.ts'
import { Keywright } from '../../src/keywright.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { frozenExamples, type RecordExample, type ValueExample } from './examples.ts'
import { examplePolicy, restoreStore, statementsOfDocument } from './frozen-store.ts'
import {
  type Algorithm,
  contextBytes,
  dataKeyContext,
  decodePlaintext,
  derive,
  keyIdOf,
  type MasterKeys,
  openKeyFile,
  openValue,
  recordMac,
  searchToken,
  unwrap,
  valueBytes,
  type Wrap,
} from './reader.ts'
import { checkAuditLog, openEnvelope, openKeyset } from './reader-messages.ts'

const frozen = frozenExamples()
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const rootKey = hex(frozen['key-file'].rootKey)

let folder: string
let provider: KeyProvider
let keywright: Keywright
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keywright-docs-'))
  const keyFile = join(folder, 'master.keys')
  await writeFile(keyFile, frozen['key-file'].lines.join('\n'))
  await chmod(keyFile, 0o600)
  provider = fileProvider({ path: keyFile, rootSecret: { kind: 'key', bytes: rootKey } })
  keywright = new Keywright({
    provider,
    store: await openSqliteStore({ path: restoreStore(folder) }),
    policy: examplePolicy(),
    clock: { now: () => Date.UTC(2026, 0, 5), after: () => () => undefined },
  })
})
afterAll(async () => {
  await keywright.close()
  await rm(folder, { recursive: true })
})

describe('the library reads format 1', () => {
  const values = [...frozen.values.values, ...frozen['value-types'].values]

  it.each(values)('a value: $name', async (value) => {
    const opened = await decryptValue(keywright, value)
    const shown = opened instanceof Uint8Array ? Buffer.from(opened).toString('hex') : opened
    const expected = value.as === 'date' ? new Date(String(value.value)) : value.value
    expect(shown).toEqual(value.as === 'bigint' ? BigInt(String(value.value)) : expected)
  })

  it.each(frozen.rejected.rejected)('refuses $why', async ({ code, text }) => {
    const failure = await keywright.decrypt(text, { keyType: 'pii' }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(KeywrightError)
    expect(failure).toMatchObject({ code })
  })

  // Argon2 came with Node 24.7.
  const tokens = frozen.tokens.tokens.filter(
    ({ slow }) => slow === undefined || typeof crypto.argon2 === 'function',
  )
  it.each(tokens)('a token: $normaliser of $value', async ({ bits, normaliser, slow, token, value }) => {
    const index = keywright.index(frozen.tokens.field, {
      normaliser,
      ...(bits === undefined ? {} : { bits }),
      slow: slow !== undefined,
    })
    expect(await index.token(value)).toBe(token)
    expect(await index.matches(value, token)).toBe(true)
  })

  it('records, with their usage and wraps', async () => {
    const keys = await keywright.keys.list()
    expect(keys.map(({ id, keyring, version }) => ({ id, keyring, version }))).toEqual(
      frozen.records.records.map(({ id, keyring, version }) => ({ id, keyring, version })),
    )
    expect(keys.flatMap(({ wraps }) => wraps.map(({ masterKeyVersion }) => masterKeyVersion))).toEqual(
      keys.map(({ keyring }) => (keyring === 'pii' ? '1' : '2')),
    )
  })

  it('an envelope', async () => {
    const { blob, context, plaintext } = frozen.envelope
    expect((await unseal(provider, hex(blob), context)).toString()).toBe(plaintext)
  })

  it.each([
    ['keyset', 'json'],
    ['keyset', 'binary'],
    ['encrypted-keyset', 'json'],
    ['encrypted-keyset', 'binary'],
  ] as const)('a keyset: %s, %s', async (name, form) => {
    const text = frozen[name][form]
    const bytes = form === 'json' ? Buffer.from(text) : Buffer.from(text, 'base64')
    const under = name === 'keyset' ? {} : { provider: 'file' }
    // Its ids are in the store already: that it says so shows that it was read.
    const failure = await keywright
      .importKeyset('pii', bytes, { tenant: 'copy', ...under })
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'ERR_STORE_CONFLICT' })
    expect(String(failure)).toContain('key id 16909060')
  })

  it.each(['audit-log', 'pruned-audit-log'] as const)('an audit log: %s', async (name) => {
    const path = join(folder, `${name}.jsonl`)
    await writeFile(path, `${frozen[name].lines.join('\n')}\n`)
    await writeFile(`${path}.head`, frozen[name].head)
    expect(await verifyAudit(fileAuditSink({ path }))).toMatchObject({ ok: true, problems: [] })
  })

  it('the MAC of an audit checkpoint', async () => {
    const audit = fileAuditSink({ path: join(folder, 'pruned-audit-log.jsonl') })
    const other = new Keywright({
      provider: { ...provider, close: async () => undefined },
      store: await openSqliteStore({ path: join(folder, 'keys.db') }),
      policy: examplePolicy(),
      audit,
    })
    const report = await other.verifyAudit()
    await other.close()
    expect(report).toMatchObject({ ok: true, checkpoint: { signed: true, toSeq: 1 } })
  })
})

async function decryptValue(from: Keywright, value: ValueExample): Promise<unknown> {
  const { as: declared, column, keyring, row, table, ...context } = value.context
  const [keyType = '', tenant] = value.keyring.split('/')
  const owner = tenant === undefined ? {} : { tenant }
  expect(keyring).toBe(value.keyring)
  if (declared !== undefined && column !== undefined) {
    const fields = { [column]: keyType }
    const record = { id: row, [column]: value.text }
    const opened = await from.decryptRecord(record, {
      fields,
      row: 'id',
      ...(table === undefined ? {} : { table }),
    })
    return opened[column]
  }
  const as = value.as as FieldType
  if (column === undefined) return from.decrypt(value.text, { as, keyType, context, ...owner })
  const field = from.field(keyType, { table, column, as, ...owner })
  return field.decrypt(value.text, row === undefined ? {} : { row })
}

describe('what the library writes is as the document says', () => {
  let masterKeys: MasterKeys
  let rows: RecordExample[]
  beforeAll(async () => {
    masterKeys = openKeyFile(await readFile(join(folder, 'master.keys'), 'latin1'), { key: rootKey })
    await keywright.encrypt('session', 'x') // a new keyring, made by the library
    const database = new DatabaseSync(join(folder, 'keys.db'), { readOnly: true })
    rows = database.prepare('SELECT * FROM key_records').all() as unknown as RecordExample[]
    database.close()
  })

  const keyOf = (id: number): { key: Buffer; algorithm: Algorithm; keyring: string } => {
    const row = rows.find((one) => one.id === id)
    if (row === undefined) throw new Error('no such key')
    const [wrap] = JSON.parse(row.wraps) as Wrap[]
    return { ...row, key: unwrap(masterKeys, wrap as Wrap, dataKeyContext(row)) }
  }
  const open = (text: string, context: Record<string, string>): Buffer => {
    const wire = valueBytes(text)
    const { algorithm, key } = keyOf(keyIdOf(wire))
    return openValue(key, algorithm, wire, contextBytes(context))
  }

  it('the tables', async () => {
    const path = join(folder, 'new.db')
    await (await openSqliteStore({ path, create: true })).close?.()
    const database = new DatabaseSync(path, { readOnly: true })
    const made = database
      .prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rootpage')
      .all()
    const pragmas = [
      database.prepare('PRAGMA application_id').get(),
      database.prepare('PRAGMA user_version').get(),
    ]
    database.close()
    const compact = (sql: string): string => sql.replace(/\s+/g, ' ').trim()
    const written = compact(made.map(({ sql }) => `${String(sql)};`).join(' '))
    expect(written).toBe(compact(statementsOfDocument().join('\n')))
    expect(pragmas).toEqual([{ application_id: 0x4b575354 }, { user_version: 2 }])
  })

  it('records', () => {
    const row = rows.find(({ keyring }) => keyring === 'session')
    if (row === undefined) throw new Error('no new record')
    const { key } = keyOf(row.id)
    expect(Buffer.from(row.commitment)).toEqual(derive(key, 'commitment'))
    expect(Buffer.from(row.mac)).toEqual(recordMac(key, row))
  })

  it.each([
    ['string', 'Grüße', 'Grüße'],
    ['bytes', Buffer.from([0, 255]), '00ff'],
    ['number', -0, -0],
    ['bigint', 12n, '12'],
    ['boolean', false, false],
    ['date', new Date(Date.UTC(12026, 0, 1)), '+012026-01-01T00:00:00.000Z'],
    ['json', { a: [1, 'x', null] }, { a: [1, 'x', null] }],
  ] as const)('a field of type %s', async (as, value, shown) => {
    for (const keyType of ['pii', 'financial_data']) {
      const field = keywright.field(keyType, { table: 't', column: 'c', as, context: { 'x-y': '"\n' } })
      const text = await field.encrypt(value as never, { row: '7' })
      const context = { 'x-y': '"\n', column: 'c', keyring: keyType, row: '7', table: 't' }
      expect(decodePlaintext(as, open(text, context))).toEqual(shown)
    }
  })

  it('records of an application', async () => {
    const record = { id: 7n, tags: ['a', 'b'], people: [{ name: 'Ada' }, { name: 'Bob' }] }
    const fields = { tags: 'pii', 'people.name': 'pii' }
    const sealed = await keywright.encryptRecord(record, { table: 't', row: 'id', fields })
    const at = (column: string) => ({ column, keyring: 'pii', row: '7', table: 't' })
    expect(open(String(sealed.tags), { ...at('tags'), as: 'json' }).toString()).toBe('["a","b"]')
    expect(open(sealed.people[1]?.name ?? '', at('people.name')).toString()).toBe('Bob')
  })

  it('tokens', async () => {
    const token = await keywright.hash('users.phone', '+49 30', { normaliser: 'digits' })
    const { id } = rows.find(({ keyring }) => keyring === 'blind_index') ?? { id: 0 }
    const input = { field: 'users.phone', keyring: 'blind_index', normaliser: 'digits', value: '4930' }
    expect(token).toBe(searchToken(keyOf(id).key, id, input))
  })

  it('contexts', () => {
    for (const { canonical, context } of frozen.contexts.contexts)
      expect(canonicalText(context)).toBe(canonical)
  })

  it('envelopes and keysets', async () => {
    const blob = await seal(provider, Buffer.from('x'), { a: 'b' })
    expect(openEnvelope(masterKeys, blob, { a: 'b' }).toString()).toBe('x')
    const json = await keywright.exportKeyset('session', { provider: 'file' })
    const keyset = openKeyset(masterKeys, { json: json.toString() })
    const { id } = rows.find(({ keyring }) => keyring === 'session') ?? { id: 0 }
    expect(keyset).toMatchObject({ primary: id, keys: [{ id, prefix: 'TINK', status: 'ENABLED' }] })
    expect(keyset.keys[0]?.key).toEqual(keyOf(id).key)
  })

  it('the audit log', async () => {
    const path = join(folder, 'new.jsonl')
    const other = new Keywright({
      provider: { ...provider, close: async () => undefined },
      store: await openSqliteStore({ path: join(folder, 'keys.db') }),
      policy: examplePolicy(),
      audit: fileAuditSink({ path }),
      actor: 'Ünïcode "quoted"',
    })
    await other.keys.rotate('session', { force: true, reason: 'test' })
    await other.audit.append({ event: 'policy.change', details: { z: 1.5, a: true, b: 'x\u2028' } })
    await other.close()
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(checkAuditLog(lines, await readFile(`${path}.head`, 'utf8'))).toBe(true)
  })
})
