import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { KeywrightError } from '../../src/errors.ts'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import { DAY_MS } from '../../src/policy/duration.ts'
import {
  destroyableAt,
  evaluate,
  evaluateKey,
  expiresAt,
  type KeyFacts,
  keyringFor,
  type Operation,
  rotationDue,
} from '../../src/policy/evaluate.ts'
import {
  findKeyType,
  keyringName,
  keyTypePolicy,
  parseKeyring,
  readKeyring,
} from '../../src/policy/keyring-name.ts'
import type { KeyTypePolicy } from '../../src/policy/policy.ts'
import { defaultPolicy } from '../../src/policy/resolve.ts'
import type { KeyState } from '../../src/store.ts'

const NEVER = Number.POSITIVE_INFINITY
const BORN = Date.UTC(2026, 0, 1)
const base = keyTypePolicy(defaultPolicy(), 'financial_data') // 90 days, at most 365
const strict: KeyTypePolicy = { ...base, afterMaxAge: 'refuse', compromised: 'refuse' }
const END = BORN + 365 * DAY_MS

const keyIn = (state: KeyState, usage = { messages: 0, bytes: 0 }): KeyFacts => ({
  state,
  activatesAt: BORN,
  createdAt: BORN,
  usage,
})

describe('evaluateKey', () => {
  const rows: [string, KeyTypePolicy, Operation, KeyState, number, ErrorCode | 'yes', number][] = [
    ['active', base, 'encrypt', 'active', BORN, 'yes', END],
    ['last moment', base, 'encrypt', 'active', END - 1, 'yes', END],
    ['max age', base, 'encrypt', 'active', END, 'ERR_KEY_EXPIRED', NEVER],
    ['pending', base, 'encrypt', 'pending', BORN - 5, 'ERR_KEY_INACTIVE', BORN],
    ['pending, late', base, 'encrypt', 'pending', BORN + 5, 'ERR_KEY_INACTIVE', NEVER],
    ['replaced', base, 'encrypt', 'deactivated', BORN, 'ERR_KEY_INACTIVE', NEVER],
    ['suspended', base, 'encrypt', 'suspended', BORN, 'ERR_KEY_SUSPENDED', NEVER],
    ['compromised', base, 'encrypt', 'compromised', BORN, 'ERR_KEY_COMPROMISED', NEVER],
    ['destroyed', base, 'encrypt', 'destroyed', BORN, 'ERR_KEY_DESTROYED', NEVER],
    ['no number', base, 'encrypt', 'active', Number.NaN, 'ERR_KEY_EXPIRED', NEVER],
    ['active', base, 'decrypt', 'active', BORN, 'yes', NEVER],
    ['past max age', base, 'decrypt', 'active', END + 1, 'yes', NEVER],
    ['pending', base, 'decrypt', 'pending', BORN - 5, 'yes', NEVER],
    ['replaced', base, 'decrypt', 'deactivated', END * 2, 'yes', NEVER],
    ['suspended', base, 'decrypt', 'suspended', BORN, 'ERR_KEY_SUSPENDED', NEVER],
    ['compromised', base, 'decrypt', 'compromised', BORN, 'yes', NEVER],
    ['destroyed', base, 'decrypt', 'destroyed', BORN, 'ERR_KEY_DESTROYED', NEVER],
    ['strict', strict, 'decrypt', 'active', END - 1, 'yes', END],
    ['strict, past max age', strict, 'decrypt', 'deactivated', END, 'ERR_KEY_EXPIRED', NEVER],
    ['strict, compromised', strict, 'decrypt', 'compromised', BORN, 'ERR_KEY_COMPROMISED', NEVER],
    ['no number', strict, 'decrypt', 'active', Number.NaN, 'ERR_KEY_EXPIRED', NEVER],
  ]
  it.each(rows)('%s (%#)', (_, policy, operation, state, now, outcome, until) => {
    const decision = evaluateKey(policy, operation, keyIn(state), now)
    expect([decision.code ?? 'yes', decision.until]).toEqual([outcome, until])
    expect(decision.allowed).toBe(outcome === 'yes')
    expect(decision.reason).not.toBe('')
  })

  it.each([
    [2 ** 32 - 1, undefined],
    [2 ** 32, 'ERR_KEY_EXHAUSTED'],
    [Number.NaN, 'ERR_KEY_EXHAUSTED'],
  ])('%d messages: %s', (messages, code) => {
    const key = keyIn('active', { messages, bytes: 0 })
    expect(evaluateKey(base, 'encrypt', key, BORN).code).toBe(code)
    expect(evaluateKey(base, 'decrypt', key, BORN).allowed).toBe(true)
  })
})

describe('rotation', () => {
  const due = BORN + 90 * DAY_MS
  it.each([
    [due - 1, { due: false, overdue: false, reasons: [] }],
    [due, { due: true, overdue: false, reasons: ['age'] }],
    [due + 9 * DAY_MS, { due: true, overdue: false, reasons: ['age'] }],
    [due + 9 * DAY_MS + 1, { due: true, overdue: true, reasons: ['age'] }],
    [END, { due: true, overdue: true, reasons: ['age', 'max-age'] }],
  ])('at %d', (now, status) => {
    expect(rotationDue(base, keyIn('active'), now)).toEqual({ at: due, ...status })
  })

  it('is due by messages and by bytes', () => {
    const policy = { ...base, rotation: { ...base.rotation, messages: 10, bytes: 100 } }
    const reasons = (messages: number, bytes: number) =>
      rotationDue(policy, keyIn('active', { messages, bytes }), BORN).reasons
    expect([reasons(9, 99), reasons(10, 99), reasons(10, 100)]).toEqual([
      [],
      ['messages'],
      ['messages', 'bytes'],
    ])
  })

  it.each(['pending', 'deactivated', 'suspended', 'compromised', 'destroyed'] as const)(
    'a %s key is not due',
    (state) => {
      expect(rotationDue(base, keyIn(state), END * 2).due).toBe(false)
    },
  )

  it('of index keys is never due', () => {
    const index = keyTypePolicy(defaultPolicy(), 'blind_index')
    const key = keyIn('active', { messages: 2 ** 52, bytes: 2 ** 52 })
    expect(rotationDue(index, key, END * 10)).toEqual({ due: false, overdue: false, at: NEVER, reasons: [] })
    expect(evaluateKey(index, 'encrypt', key, END * 10)).toMatchObject({ allowed: true, until: NEVER })
  })

  it('knows the ends', () => {
    expect(expiresAt(base, { activatesAt: BORN })).toBe(END)
    expect(destroyableAt(base, BORN)).toBe(BORN + 30 * DAY_MS)
    expect(destroyableAt({ ...base, graceMs: NEVER }, BORN)).toBe(NEVER)
  })
})

describe('keyring names', () => {
  it.each(['t', '42', 'tenant-42', 'a.b', 'x@example.org', 'A_b', 'a'.repeat(128)])('tenant %s', (tenant) => {
    const name = keyringName('pii', tenant)
    expect(name).toBe(`pii/${tenant}`)
    expect(parseKeyring(name)).toEqual({ keyType: 'pii', tenant })
  })

  it('may have no tenant', () => {
    expect(keyringName('pii')).toBe('pii')
    expect(parseKeyring('pii')).toEqual({ keyType: 'pii' })
  })

  it.each(['', '.', '..', 'a..b', '-a', '_a', 'a/b', 'a b', 'a\n', 'é', 'a'.repeat(129), 'a%2f', '../x'])(
    'refuses tenant %j',
    (tenant) => {
      const refused = (): unknown => keyringName('pii', tenant)
      expect(refused).toThrow(
        expect.objectContaining({ code: 'ERR_TENANT_INVALID', hint: expect.any(String) }),
      )
      expect(readKeyring(`pii/${tenant}`)).toBeUndefined()
    },
  )

  it.each(['', '/', 'pii/', '/t', 'PII', 'pii/a/b', 'pii\n', '__proto__'])('%j is no keyring', (name) => {
    expect(() => parseKeyring(name)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }))
  })

  it('refuses a key type that is none', () => {
    expect(() => keyringName('../pii')).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }))
  })
})

describe('evaluate', () => {
  const policy = parsePolicyDocument({
    provider: 'main',
    keyTypes: { pii: { provider: 'eu' }, session: { tenants: 'none' }, api_keys: { tenants: 'required' } },
  })

  it('finds key type, keyring and provider of a field', () => {
    const key = keyIn('active')
    expect(evaluate(policy, { operation: 'encrypt', field: 'users.email', tenant: 't1', key }, BORN)).toEqual(
      {
        operation: 'encrypt',
        keyType: 'pii',
        keyring: 'pii/t1',
        provider: 'eu',
        algorithm: 'AES-256-GCM',
        selector: expect.objectContaining({ pattern: '*.email', source: 'default' }),
        allowed: true,
        reason: 'the key is active',
        until: BORN + 730 * DAY_MS,
        rotation: { due: false, overdue: false, at: BORN + 180 * DAY_MS, reasons: [] },
      },
    )
  })

  it('takes the key type that the request names before the field', () => {
    const decision = evaluate(
      policy,
      { operation: 'encrypt', keyType: 'financial_data', field: 'email' },
      BORN,
    )
    expect(decision).toMatchObject({
      keyType: 'financial_data',
      provider: 'main',
      allowed: true,
      until: NEVER,
    })
    expect(decision.selector).toBeUndefined()
  })

  it.each([
    [{ keyType: 'pi' }, 'ERR_KEY_TYPE_UNKNOWN', 'did you mean "pii"?'],
    [{ keyType: 'zebra' }, 'ERR_KEY_TYPE_UNKNOWN', 'known: financial_data'],
    [{ keyType: 'constructor' }, 'ERR_KEY_TYPE_UNKNOWN', 'known:'],
    [{ keyType: '__proto__' }, 'ERR_KEY_TYPE_UNKNOWN', 'known:'],
    [{ field: 'users.zzz' }, 'ERR_FIELD_UNMATCHED', 'name the key type'],
    [{}, 'ERR_ARGUMENT_INVALID', 'name one of them'],
    [{ keyType: 'session', tenant: 't' }, 'ERR_TENANT_INVALID', 'leave the tenant out'],
    [{ keyType: 'api_keys' }, 'ERR_TENANT_INVALID', 'name the tenant'],
    [{ keyType: 'pii', tenant: '../t' }, 'ERR_TENANT_INVALID', 'tenants are 1 to 128'],
  ])('%j is refused with %s', (request, code, hint) => {
    const decision = evaluate(policy, { operation: 'decrypt', ...request }, BORN)
    expect(decision).toMatchObject({ allowed: false, code, until: NEVER })
    expect(decision.hint).toContain(hint)
    expect(decision.keyring).toBeUndefined()
    expect(() => keyringFor(policy, request)).toThrow(KeywrightError)
    expect(() => keyringFor(policy, request)).toThrow(expect.objectContaining({ code }))
  })

  it('does not repeat what is no name', () => {
    const decision = evaluate(policy, { operation: 'encrypt', keyType: 'S3cr3t!' }, BORN)
    expect(JSON.stringify(decision)).not.toContain('S3cr3t')
  })

  it('answers with the keyring for those who need only that', () => {
    expect(keyringFor(policy, { keyType: 'pii', tenant: 't' })).toEqual({
      keyring: 'pii/t',
      keyType: 'pii',
      policy: policy.keyTypes['pii'],
    })
    expect(findKeyType(policy, 'toString')).toBeUndefined()
    expect(() => keyTypePolicy(policy, 'piii')).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_TYPE_UNKNOWN', hint: expect.stringContaining('"pii"') }),
    )
  })
})
