/** A migrating field reads what the window lists, says what it was, and writes nothing but ciphertexts. */
import { afterEach, describe, expect, it } from 'vitest'
import { lazyAuditLog } from '../../../../src/audit/lazy-log.ts'
import {
  createMigratingField,
  type MigratingField,
  type MigratingFieldOptions,
} from '../../../../src/data/foreign/migrating-field.ts'
import type { ForeignOptions } from '../../../../src/data/foreign/readers.ts'
import type { FieldType, FieldTypes } from '../../../../src/index.ts'
import { Keyrings } from '../../../../src/keys/keyrings.ts'
import { ProviderCalls } from '../../../../src/keys/provider-calls.ts'
import type { KeyServices } from '../../../../src/keys/services.ts'
import { FakeClock } from '../../../kit/clock.ts'
import { expectCode } from '../../../kit/failures.ts'
import { TestProvider } from '../../../kit/provider.ts'
import { MemorySink } from '../../../kit/sink.ts'
import { TestStore } from '../../../kit/store.ts'
import { DAY, FERNET, OTHER_FERNET, token, windowPolicy } from '../../jobs/migrate-kit.ts'

let clock = new FakeClock()
let rings: Keyrings | undefined
afterEach(async () => {
  await rings?.close()
  clock = new FakeClock()
})

interface Parts {
  readonly reads?: readonly string[]
  readonly pii?: object
  readonly foreign?: ForeignOptions
  readonly sink?: MemorySink
}

function field<K extends FieldType = 'string'>(
  { foreign = { fernetKeys: [FERNET] }, pii, reads, sink }: Parts = {},
  options: MigratingFieldOptions<K> = {},
): MigratingField<FieldTypes[K]> {
  const services: KeyServices = {
    store: new TestStore().client(),
    calls: new ProviderCalls({ providers: [new TestProvider().client()], now: () => clock.now() }),
    audit: lazyAuditLog(sink && { sink, clock }),
    policy: windowPolicy(reads, pii),
    clock,
  }
  rings = new Keyrings(services)
  return createMigratingField(services, rings, foreign, 'users.email', options)
}

describe('in the window', () => {
  it('opens each format and says which it was', async () => {
    const email = field()
    const sealed = await email.encrypt('ada', { row: '1' })
    expect(sealed).toMatch(/^kw1\./)
    expect(await email.decrypt(sealed, { row: '1' })).toEqual({ value: 'ada', format: 'current' })
    expect(await email.decrypt(token('bob'))).toEqual({ value: 'bob', format: 'fernet' })
    expect(await email.decrypt(Buffer.from(token('bob')))).toEqual({ value: 'bob', format: 'fernet' })
    expect(await email.decrypt('carol')).toEqual({ value: 'carol', format: 'plain' })
    expect(await email.decrypt('')).toEqual({ value: '', format: 'plain' })
    expect(email.keyring).toBe('pii')
    expect(email.encryptSync('x')).toMatch(/^kw1\./)
    expect((await (await email.ready()).encryptToBytes('x'))[0]).toBe(1)
  })

  it.each([
    ['a token under another key', () => token('x', OTHER_FERNET), 'ERR_DECRYPTION_FAILED'],
    ['a token that was cut', () => token('x').slice(0, 80), 'ERR_DECRYPTION_FAILED'],
    ['a ciphertext that was cut', () => 'kw1.AQAAAA', 'ERR_CIPHERTEXT_MALFORMED'],
    ['a value of Vault', () => 'vault:v1:c2VjcmV0', 'ERR_MIGRATION_CLOSED'],
    ['a search token', () => 'kwi1.AAAAAAAA', 'ERR_MIGRATION_CLOSED'],
    ['null', () => null as never, 'ERR_VALUE_TYPE'],
  ])('%s is never taken for plain text', async (_, value, code) => {
    await expectCode(field().decrypt(value()), code as 'ERR_VALUE_TYPE')
  })

  it('a ciphertext of another place does not open', async () => {
    const email = field()
    const sealed = await email.encrypt('ada', { row: '1' })
    await expectCode(email.decrypt(sealed, { row: '2' }), 'ERR_DECRYPTION_FAILED')
  })

  it('reads only the formats that are listed', async () => {
    const email = field({ reads: ['fernet'] })
    expect(await email.decrypt(token('a'))).toEqual({ value: 'a', format: 'fernet' })
    const error = await expectCode(email.decrypt('plain'), 'ERR_MIGRATION_CLOSED')
    expect(error.message).toContain('does not allow this format')
    expect((await field({ reads: ['plain'] }).decrypt('plain')).format).toBe('plain')
    await expectCode(field({ reads: ['plain'] }).decrypt(token('a')), 'ERR_MIGRATION_CLOSED')
  })

  it('gives values of the type of the field', async () => {
    const income = field({}, { as: 'number' })
    expect(await income.decrypt('1200.50')).toEqual({ value: 1200.5, format: 'plain' })
    expect(await income.decrypt(token('7'))).toEqual({ value: 7, format: 'fernet' })
    await expectCode(income.decrypt('many'), 'ERR_VALUE_TYPE')
    expect(await field({}, { as: 'json' }).decrypt('{"a":[1]}')).toEqual({
      value: { a: [1] },
      format: 'plain',
    })
    const date = await field({}, { as: 'date' }).decrypt('2024-05-01')
    expect(date).toEqual({ value: new Date('2024-05-01'), format: 'plain' })
    const bytes = await field({}, { as: 'bytes' }).decrypt(Buffer.from([0, 255]))
    expect([...bytes.value]).toEqual([0, 255])
  })

  it('writes an audit record where the policy wants one for each access', async () => {
    const sink = new MemorySink()
    await field({ sink, pii: { auditAccess: true } }).decrypt(token('a'))
    expect(sink.records).toMatchObject([
      { event: 'data.decrypt', keyring: 'pii', details: { format: 'fernet' } },
    ])
  })
})

describe('keys and readers', () => {
  it('are those of the call, else those of the program', async () => {
    const own = field({ foreign: { fernetKeys: [OTHER_FERNET] } }, { fernetKeys: [FERNET] })
    expect((await own.decrypt(token('a'))).value).toBe('a')
    const error = await expectCode(field({ foreign: {} }).decrypt(token('a')), 'ERR_FOREIGN_KEY_MISSING')
    expect(error.hint).toContain('OLD_ENCRYPTION_KEY')
    await expectCode(field({ reads: ['acme'] }).decrypt('acme:1'), 'ERR_CONFIG_INVALID')
  })

  it.each(['plain', 'fernet', 'current', 'Acme', ''])('a reader may not be called "%s"', async (name) => {
    const reader = { name, recognises: () => true, open: () => undefined }
    await expectCode(() => field({}, { readers: [reader] }), 'ERR_ARGUMENT_INVALID')
  })

  it('a reader of the program is asked before plain text is assumed', async () => {
    const reader = {
      name: 'acme',
      recognises: (value: string | Uint8Array) => String(value).startsWith('acme:'),
      open: async (value: string | Uint8Array) =>
        String(value) === 'acme:bad' ? undefined : Buffer.from(String(value).slice(5)),
    }
    const email = field({ reads: ['plain', 'acme'] }, { readers: [reader] })
    expect(await email.decrypt('acme:ada')).toEqual({ value: 'ada', format: 'acme' })
    expect(await email.decrypt('other')).toEqual({ value: 'other', format: 'plain' })
    await expectCode(email.decrypt('acme:bad'), 'ERR_DECRYPTION_FAILED')
  })
})

describe('after the window', () => {
  it('refuses everything but ciphertexts, with the date and what to do', async () => {
    const email = field()
    const sealed = await email.encrypt('ada')
    clock.advance(10 * DAY)
    expect((await email.decrypt(sealed)).format).toBe('current')
    for (const value of ['plain', token('a')]) {
      const error = await expectCode(email.decrypt(value), 'ERR_MIGRATION_CLOSED')
      expect(error.message).toContain('2026-01-11T00:00:00Z')
      expect(error.hint).toContain('keywright migrate run')
    }
  })
})
