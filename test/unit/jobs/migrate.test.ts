/** Migration of plain text and Fernet, over a source in memory. */
import { afterEach, describe, expect, it } from 'vitest'
import { keyIdOf, parseCiphertext } from '../../../src/crypto/ciphertext.ts'
import type { FieldType } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import {
  DAY,
  FERNET,
  type Lab,
  type LabOptions,
  lab as makeLab,
  OTHER_FERNET,
  token,
  windowPolicy,
} from './migrate-kit.ts'

let lab: Lab
const fernetKeys = [FERNET]

function start(options: LabOptions): Lab {
  lab = makeLab(options)
  return lab
}
afterEach(() => lab.end())

const columnOf = (name: string): unknown[] => lab.source.rows().map((row) => row[name])

describe('one run', () => {
  it('encrypts plain text and Fernet, each in its place', async () => {
    const { kw } = start({
      rows: [
        { id: '1', email: 'ada@example.com' },
        { id: '2', email: token('bob@example.com') },
        { id: '3', email: null },
        { id: '4', email: '' },
      ],
      columns: { email: { row: 'id' } },
    })
    const report = await kw.jobs.migrate({ fernetKeys })
    expect(report).toMatchObject({ job: 'migrate', outcome: 'finished', warnings: [] })
    expect(report.counts.columns['email']).toMatchObject({ done: 3, empty: 1, failed: 0 })
    const field = kw.field('users.email')
    const values = columnOf('email') as (string | null)[]
    expect(values[2]).toBeNull()
    for (const [at, text] of [
      [0, 'ada@example.com'],
      [1, 'bob@example.com'],
      [3, ''],
    ] as const) {
      expect(await field.decrypt(values[at] as string, { row: String(at + 1) })).toBe(text)
      await expectCode(field.decrypt(values[at] as string, { row: '9' }), 'ERR_DECRYPTION_FAILED')
    }
  })

  it('does nothing the second time', async () => {
    const { kw } = start({
      rows: [
        { id: '1', email: 'a' },
        { id: '2', email: token('b') },
      ],
    })
    await kw.jobs.migrate({ fernetKeys })
    const before = lab.source.rows()
    const report = await kw.jobs.migrate({ fernetKeys })
    expect(report.counts).toMatchObject({ written: 0, columns: { email: { current: 2, done: 0 } } })
    expect(lab.source.rows()).toEqual(before)
  })

  it('goes on when a key is rotated while it runs', async () => {
    const rows = Array.from({ length: 60 }, (_, at) => ({ id: String(at).padStart(2, '0'), email: `m${at}` }))
    const { kw } = start({ rows })
    await kw.field('users.email').ready()
    const { write } = lab.source
    let writes = 0
    lab.source.write = async (request) => {
      if (++writes === 2) await kw.keys.rotate('pii', { force: true, now: true })
      return write.call(lab.source, request)
    }
    const report = await kw.jobs.migrate({ fernetKeys, batch: 10 })
    expect(report).toMatchObject({ outcome: 'finished', counts: { written: 60 } })
    const keys = new Set((columnOf('email') as string[]).map((value) => keyIdOf(parseCiphertext(value))))
    expect(keys.size).toBe(2)
    expect((await kw.jobs.verifyMigration()).outcome).toBe('verified')
  })

  it('writes bytes into a column of bytes', async () => {
    const { kw } = start({
      rows: [
        { id: '1', email: Buffer.from('ada') },
        { id: '2', email: Buffer.from(token('bob')) },
      ],
    })
    lab.source.describe = async () => ({
      location: 'memory',
      columns: [{ name: 'email', kind: 'bytes', type: 'bytea' }],
      warnings: [],
    })
    await kw.jobs.migrate({ fernetKeys })
    const values = columnOf('email') as Uint8Array[]
    expect(values.map((value) => value[0])).toEqual([1, 1])
    const field = kw.field('users.email')
    expect(await Promise.all(values.map((value) => field.decrypt(value)))).toEqual(['ada', 'bob'])
  })

  it('leaves alone what it cannot read, and says how much of what', async () => {
    const elsewhere = makeLab({})
    const foreign = await elsewhere.kw.field('users.email').encrypt('theirs')
    await elsewhere.end()
    const rows = [
      { id: '1', email: foreign },
      { id: '2', email: 'kw1.cut' },
      { id: '3', email: token('other key', OTHER_FERNET) },
      { id: '4', email: 'vault:v1:AAAA' },
      { id: '5', email: 'kwi1.AAAAAAAA' },
      { id: '6', email: token('ok').slice(0, 60) },
    ]
    const { kw } = start({ rows })
    const report = await kw.jobs.migrate({ fernetKeys })
    expect(report.outcome).toBe('incomplete')
    expect(report.counts.columns['email']).toMatchObject({
      done: 0,
      failed: 4,
      foreign: 2,
      failures: { ERR_KEY_UNKNOWN: 1, ERR_CIPHERTEXT_MALFORMED: 1, ERR_DECRYPTION_FAILED: 2 },
    })
    expect(lab.source.rows()).toEqual(rows)
  })

  it('takes a key of another keyring for a failure', async () => {
    const { kw } = start({})
    lab.source.put({ id: '1', email: await kw.field('financial_data').encrypt('1') })
    const report = await kw.jobs.migrate({ fernetKeys })
    expect(report.counts.columns['email']).toMatchObject({ failed: 1, failures: { ERR_KEYRING_MISMATCH: 1 } })
  })

  it.each([
    ['fernet', { done: 1, plain: 1, foreign: 1, skipped: 1 }],
    ['plain', { done: 2, plain: 0, foreign: 1, failed: 0 }],
  ])('migrates only %s when asked to', async (from, counts) => {
    const { kw } = start({
      rows: [
        { id: '1', email: 'ada' },
        { id: '2', email: token('bob') },
        { id: '3', email: '' },
        ...(from === 'fernet' ? [{ id: '4', email: Buffer.alloc(60, 9).toString('base64') }] : []),
      ],
    })
    const report = await kw.jobs.migrate({ from, fernetKeys })
    expect(report.outcome).toBe('incomplete')
    expect(report.counts.columns['email']).toMatchObject(counts)
  })

  it('reads a format of the program', async () => {
    const { kw } = start({ rows: [{ id: '1', email: 'rot13:nqn' }], policy: windowPolicy(['rot13']) })
    const rot13 = (text: string): string =>
      text.replace(/[a-z]/g, (letter) => String.fromCharCode(((letter.charCodeAt(0) - 84) % 26) + 97))
    const reader = {
      name: 'rot13',
      recognises: (value: string | Uint8Array) => typeof value === 'string' && value.startsWith('rot13:'),
      open: async (value: string | Uint8Array) => Buffer.from(rot13(String(value).slice(6))),
    }
    expect((await kw.jobs.migrate({ readers: [reader] })).outcome).toBe('finished')
    expect(await kw.field('users.email').decrypt(columnOf('email')[0] as string)).toBe('ada')
  })

  it('fills search tokens in the same write, and binds to tenants', async () => {
    const { kw } = start({
      rows: [
        { id: '1', email: 'Ada@Example.com', org: 'acme', email_index: null },
        { id: '2', email: 'Ada@Example.com', org: null, email_index: null },
      ],
      columns: {
        email: { tenant: 'org', row: 'id', indexes: [{ column: 'email_index', normaliser: 'email' }] },
      },
    })
    await kw.jobs.migrate({ fernetKeys })
    const [first, second] = lab.source.rows()
    const index = (options = {}) =>
      kw.hash('users.email', 'ada@example.com', { normaliser: 'email', ...options })
    expect(first?.['email_index']).toBe(await index({ tenant: 'acme' }))
    expect(second?.['email_index']).toBe(await index())
    const sealed = first?.['email'] as string
    const field = kw.field('users.email', { tenant: 'acme' })
    expect(await field.decrypt(sealed, { row: '1' })).toBe('Ada@Example.com')
    expect((await kw.jobs.verifyMigration()).outcome).toBe('verified')
  })

  it('counts a row without a usable row id or tenant as failed', async () => {
    const { kw } = start({
      rows: [
        { id: '1', email: 'a', ref: null, org: 'acme' },
        { id: '2', email: 'b', ref: '2', org: '../up' },
      ],
      columns: { email: { row: 'ref', tenant: 'org' } },
    })
    const { counts } = await kw.jobs.migrate({ fernetKeys })
    expect(counts.columns['email']?.failures).toEqual({ ERR_CONTEXT_INVALID: 1, ERR_TENANT_INVALID: 1 })
    expect(columnOf('email')).toEqual(['a', 'b'])
  })
})

describe('typed values', () => {
  const cases: readonly (readonly [FieldType, string, string | undefined])[] = [
    ['number', ' 007.50', '7.5'],
    ['number', '1e3', '1000'],
    ['number', '-0.0', '-0'],
    ['number', '9007199254740993', undefined],
    ['number', '0.1000000000000000055', undefined],
    ['number', 'many', undefined],
    ['bigint', '+0012', '12'],
    ['bigint', '1.5', undefined],
    ['boolean', 't', 'true'],
    ['boolean', 'False', 'false'],
    ['boolean', 'maybe', undefined],
    ['date', '2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['date', '2024-02-30', undefined],
    ['date', '2024-05-01 10:00:00.5+02', '2024-05-01T08:00:00.500Z'],
    ['date', '2024-05-01T10:00:00.123456+00:00', undefined],
    ['date', '2024-05-01 10:00:00', undefined],
    ['json', '{"a": 12345678901234567890}', '{"a": 12345678901234567890}'],
    ['json', '{a: 1}', undefined],
  ]

  it.each(cases)('%s: %s', async (as, text, plaintext) => {
    const { kw } = start({
      rows: [
        { id: '1', value: text },
        { id: '2', value: token(text) },
      ],
      columns: { value: { keyType: 'financial_data', as } },
    })
    const { counts } = await kw.jobs.migrate({ fernetKeys })
    if (plaintext === undefined) {
      expect(counts.columns['value']).toMatchObject({ failed: 2, failures: { ERR_VALUE_TYPE: 2 } })
      expect(columnOf('value')[0]).toBe(text)
      return
    }
    expect(counts.columns['value']).toMatchObject({ done: 2, failed: 0 })
    const raw = kw.field('financial_data', { table: 'users', column: 'value' })
    const typed = kw.field('financial_data', { table: 'users', column: 'value', as })
    for (const value of columnOf('value') as string[]) {
      expect(await raw.decrypt(value)).toBe(plaintext)
      await typed.decrypt(value)
    }
    expect((await kw.jobs.verifyMigration()).outcome).toBe('verified')
  })
})

describe('the window', () => {
  it('is needed', async () => {
    const { kw } = start({ rows: [{ id: '1', email: 'a' }], policy: windowPolicy([]) })
    lab.clock.advance(0)
    const error = await expectCode(kw.jobs.migrate({ fernetKeys }), 'ERR_MIGRATION_CLOSED')
    expect(error.hint).toContain('"migration"')
  })

  it('ends', async () => {
    const { kw } = start({ rows: [{ id: '1', email: 'a' }] })
    lab.clock.advance(10 * DAY)
    const error = await expectCode(kw.jobs.migrate({ fernetKeys }), 'ERR_MIGRATION_CLOSED')
    expect(error.message).toContain('closed at 2026-01-11T00:00:00Z')
    expect((await kw.jobs.planMigration({ fernetKeys })).places[0]?.columns[0]?.problem?.code).toBe(
      'ERR_MIGRATION_CLOSED',
    )
    expect(columnOf('email')).toEqual(['a'])
  })

  it('must list the format', async () => {
    const { kw } = start({ rows: [{ id: '1', email: 'a' }], policy: windowPolicy(['fernet']) })
    await expectCode(kw.jobs.migrate({ from: 'plain', fernetKeys }), 'ERR_MIGRATION_CLOSED')
  })

  it('leaves out columns of key types without one, unless they are named', async () => {
    const { kw } = start({
      rows: [{ id: '1', email: 'a', note: 'b' }],
      columns: { email: {}, note: { keyType: 'session' } },
    })
    const report = await kw.jobs.migrate({ fernetKeys })
    expect(report.warnings.join()).toContain('"note"')
    expect(columnOf('note')).toEqual(['b'])
    await expectCode(kw.jobs.migrate({ columns: ['email', 'note'], fernetKeys }), 'ERR_MIGRATION_CLOSED')
  })
})

describe('what cannot be', () => {
  const described = (columns: object[]) => {
    lab.source.describe = async () => ({ location: 'memory', columns: columns as never, warnings: [] })
  }

  it('a column that is too narrow is refused before the first write, with its width', async () => {
    const { kw } = start({
      rows: [
        { id: '1', email: 'short' },
        { id: '2', email: token('twenty-one characters') },
      ],
    })
    described([{ name: 'email', kind: 'text', type: 'character varying(75)', maxLength: 75 }])
    const error = await expectCode(kw.jobs.migrate({ fernetKeys }), 'ERR_COLUMN_UNSUITABLE')
    expect(error.details).toMatchObject({ needs: 76, maxLength: 75 })
    expect(error.hint).toContain('ALTER TABLE "users" ALTER COLUMN "email" TYPE text')
    expect(columnOf('email')[0]).toBe('short')
    const [plan] = (await kw.jobs.planMigration({ fernetKeys })).places
    expect(plan?.columns[0]).toMatchObject({
      needs: 76,
      maxLength: 75,
      problem: { code: 'ERR_COLUMN_UNSUITABLE' },
    })
    described([{ name: 'email', kind: 'text', type: 'character varying(76)', maxLength: 76 }])
    expect((await kw.jobs.migrate({ fernetKeys })).outcome).toBe('finished')
    expect(Math.max(...(columnOf('email') as string[]).map((value) => value.length))).toBe(76)
  })

  it('a column of numbers is refused with what to do', async () => {
    const { kw } = start({ rows: [{ id: '1', email: '42' }] })
    described([{ name: 'email', kind: 'other', type: 'integer' }])
    const error = await expectCode(kw.jobs.migrate({ fernetKeys }), 'ERR_COLUMN_UNSUITABLE')
    expect(error.hint).toContain('ADD COLUMN "email_encrypted" text')
  })

  it('an index column that is too narrow is refused', async () => {
    const { kw } = start({
      rows: [{ id: '1', email: 'a', token: null }],
      columns: { email: { indexes: [{ column: 'token' }] } },
    })
    described([
      { name: 'email', kind: 'text', type: 'text' },
      { name: 'token', kind: 'text', type: 'character(32)', maxLength: 32 },
    ])
    await expectCode(kw.jobs.migrate({ fernetKeys }), 'ERR_COLUMN_UNSUITABLE')
  })

  it.each([
    ['a key type for search tokens', { email: { keyType: 'blind_index' } }, {}, 'ERR_CONFIG_INVALID'],
    ['a column that is none', { email: {} }, { columns: ['mail'] }, 'ERR_ARGUMENT_INVALID'],
    ['a place that is none', { email: {} }, { places: ['user'] }, 'ERR_SOURCE_UNKNOWN'],
    ['a format that is none', { email: {} }, { from: 'Fernet!' }, 'ERR_ARGUMENT_INVALID'],
    ['tokens in the column itself', { email: { indexes: [{ column: 'email' }] } }, {}, 'ERR_CONFIG_INVALID'],
  ] as const)('%s', async (_, columns, options, code) => {
    const policy = windowPolicy()
    const { kw } = start({ rows: [{ id: '1', email: 'a' }], columns, policy })
    const opened = { ...policy, keyTypes: { ...policy.keyTypes } }
    const index = opened.keyTypes['blind_index']
    const pii = opened.keyTypes['pii']
    if (index !== undefined && pii?.migration !== undefined)
      Object.assign(opened.keyTypes, { blind_index: { ...index, migration: pii.migration } })
    await expectCode(lab.open(opened).jobs.migrate({ fernetKeys, ...options }), code)
    expect(kw.jobs.places).toHaveLength(1)
    expect(columnOf('email')).toEqual(['a'])
  })

  it('Fernet without a key', async () => {
    const { kw } = start({ rows: [{ id: '1', email: token('a') }] })
    const error = await expectCode(kw.jobs.migrate(), 'ERR_FOREIGN_KEY_MISSING')
    expect(error.hint).toContain('OLD_ENCRYPTION_KEY')
  })

  it('a format without a reader', async () => {
    const { kw } = start({ rows: [{ id: '1', email: 'a' }], policy: windowPolicy(['acme']) })
    await expectCode(kw.jobs.migrate({ fernetKeys }), 'ERR_CONFIG_INVALID')
  })
})

describe('plan', () => {
  it('counts, opens and measures, and writes nothing', async () => {
    const rows = [
      { id: '1', email: 'plain' },
      { id: '2', email: token('fernet') },
      { id: '3', email: null },
      { id: '4', email: token('x', OTHER_FERNET) },
    ]
    const { kw } = start({ rows })
    lab.source.put({ id: '5', email: await kw.field('users.email').encrypt('done') })
    const before = lab.source.rows()
    const plan = await kw.jobs.planMigration({ fernetKeys })
    expect(plan.problems).toBe(0)
    expect(plan.places[0]?.columns[0]).toMatchObject({
      column: 'email',
      keyType: 'pii',
      counts: { done: 2, current: 1, empty: 1, failed: 1 },
      formats: { plain: 1, fernet: 1 },
      needs: 4 + Math.ceil(((6 + 33) * 4) / 3),
      until: '2026-01-11T00:00:00Z',
    })
    expect(lab.source.rows()).toEqual(before)
  })
})

describe('verify', () => {
  it('tells what is left, and what does not open where it stands', async () => {
    const { kw } = start({ columns: { email: { row: 'id' } } })
    const field = kw.field('users.email')
    lab.source.put({ id: '1', email: await field.encrypt('right', { row: '1' }) })
    lab.source.put({ id: '2', email: await field.encrypt('from row 3', { row: '3' }) })
    lab.source.put({ id: '3', email: 'plain' })
    lab.source.put({ id: '4', email: token('x') })
    lab.source.put({ id: '5', email: '' })
    lab.source.put({ id: '6', email: null })
    lab.clock.advance(20 * DAY)
    const report = await kw.jobs.verifyMigration()
    expect(report.outcome).toBe('incomplete')
    expect(report.places[0]?.columns[0]).toMatchObject({
      total: 6,
      opened: 1,
      counts: {
        current: 1,
        failed: 1,
        plain: 1,
        foreign: 1,
        skipped: 1,
        empty: 1,
        failures: { ERR_DECRYPTION_FAILED: 1 },
      },
    })
  })

  it('opens a sample, and looks at all', async () => {
    const { kw } = start({ rows: Array.from({ length: 400 }, (_, at) => ({ id: String(at), email: 'x' })) })
    await kw.jobs.migrate({ fernetKeys })
    const [place] = (await kw.jobs.verifyMigration({ sample: 0.2 })).places
    expect(place?.columns[0]?.counts.current).toBe(400)
    expect(place?.columns[0]?.opened).toBeGreaterThan(20)
    expect(place?.columns[0]?.opened).toBeLessThan(200)
    await expectCode(kw.jobs.verifyMigration({ sample: 0 }), 'ERR_ARGUMENT_INVALID')
  })
})

describe('reverse', () => {
  const texts = ['', 'ada', 'Łódź 🔑', '  spaces ', 'gAAAAA is no token']

  it('gives the same plain text back', async () => {
    const rows = texts.slice(0, 4).map((email, at) => ({ id: String(at), email }))
    const { kw } = start({ rows, columns: { email: { row: 'id' } } })
    await kw.jobs.migrate({ from: 'plain', fernetKeys })
    expect(columnOf('email').every((value) => String(value).startsWith('kw1.'))).toBe(true)
    const report = await kw.jobs.reverseMigration({ to: 'plain', undoEncryption: true })
    expect(report).toMatchObject({ job: 'reverse', outcome: 'finished', warnings: [] })
    expect(lab.source.rows()).toEqual(rows)
    expect((await kw.jobs.reverseMigration({ to: 'plain', undoEncryption: true })).counts.written).toBe(0)
  })

  it('gives Fernet tokens back that the old keys open', async () => {
    const rows = texts.map((email, at) => ({ id: String(at), email: token(email) }))
    const { kw } = start({ rows })
    await kw.jobs.migrate({ fernetKeys })
    await kw.jobs.reverseMigration({ to: 'fernet', undoEncryption: true, fernetKeys })
    const again = columnOf('email')
    expect(again.every((value) => String(value).startsWith('gAAAAA'))).toBe(true)
    await kw.jobs.migrate({ fernetKeys })
    const field = kw.field('users.email')
    expect(await Promise.all((columnOf('email') as string[]).map((value) => field.decrypt(value)))).toEqual(
      texts,
    )
  })

  it('is asked for plainly, and says what nobody could read afterwards', async () => {
    const { kw } = start({ rows: [{ id: '1', email: 'a' }] })
    await kw.jobs.migrate({ fernetKeys })
    await expectCode(kw.jobs.reverseMigration({ to: 'plain' } as never), 'ERR_ARGUMENT_INVALID')
    await expectCode(
      kw.jobs.reverseMigration({ to: 'rot13', undoEncryption: true } as never),
      'ERR_ARGUMENT_INVALID',
    )
    await expectCode(
      kw.jobs.reverseMigration({ to: 'fernet', undoEncryption: true }),
      'ERR_FOREIGN_KEY_MISSING',
    )
    lab.clock.advance(20 * DAY)
    const { warnings } = await kw.jobs.reverseMigration({ to: 'plain', undoEncryption: true })
    expect(warnings.join()).toContain('"users.email"')
  })

  it('does not store what would be taken for a ciphertext, or what text cannot hold', async () => {
    const { kw } = start({})
    const sealed = await kw.field('users.email').encrypt('x')
    lab.source.put({ id: '1', email: await kw.field('users.email').encrypt(sealed) })
    lab.source.put({
      id: '2',
      email: await kw.field('users.email', { as: 'bytes' }).encrypt(Buffer.from([255])),
    })
    lab.source.put({ id: '3', email: await kw.field('users.email').encrypt('nul \0') })
    const { counts } = await kw.jobs.reverseMigration({ to: 'plain', undoEncryption: true })
    expect(counts.columns['email']).toMatchObject({ failed: 3, done: 0, failures: { ERR_VALUE_TYPE: 3 } })
  })
})
