/** The migration window of a key type: how it is stated, resolved, explained and compared. */
import { describe, expect, it } from 'vitest'
import { parsePolicyDocument } from '../../src/policy/document.ts'
import { explain } from '../../src/policy/explain.ts'
import { formatsReadable, readUntil } from '../../src/policy/migration.ts'
import { planPolicy } from '../../src/policy/plan.ts'
import type { KeyTypePolicy, Policy } from '../../src/policy/policy.ts'
import { failureOf } from '../kit/failures.ts'

const UNTIL = Date.UTC(2027, 1, 1)
const parse = (migration: unknown, more: object = {}): Policy =>
  parsePolicyDocument({ keyTypes: { pii: { migration } }, ...more })
const pii = (policy: Policy): KeyTypePolicy => policy.keyTypes['pii'] as KeyTypePolicy
const WINDOW = { until: '2027-01-31', reads: ['plain', 'fernet'] }

describe('a document', () => {
  it('states a window; a day counts to its end', () => {
    expect(pii(parse(WINDOW)).migration).toEqual({ untilMs: UNTIL, reads: ['plain', 'fernet'] })
    expect(parse(WINDOW).keyTypes['session']).not.toHaveProperty('migration')
  })

  it.each([
    ['2027-01-31', UNTIL],
    ['2027-01-31T12:00Z', Date.UTC(2027, 0, 31, 12)],
    ['2027-01-31T12:00:30+02:00', Date.UTC(2027, 0, 31, 10, 0, 30)],
    ['2028-02-29', Date.UTC(2028, 2, 1)],
    ['2027-02-29', undefined],
    ['2027-13-01', undefined],
    ['2027-01-31T25:00Z', undefined],
    ['2027-01-31T12:00', undefined],
    ['tomorrow', undefined],
    [2027, undefined],
  ])('until %s', (text, ms) => {
    expect(readUntil(text)).toBe(ms)
  })

  it.each([
    [{ until: '2027-02-30', reads: ['plain'] }, 'keyTypes.pii.migration.until'],
    [{ reads: ['plain'] }, 'keyTypes.pii.migration.until'],
    [{ until: '2027-01-31' }, 'keyTypes.pii.migration.reads'],
    [{ until: '2027-01-31', reads: [] }, 'keyTypes.pii.migration.reads'],
    [{ until: '2027-01-31', reads: ['Fernet'] }, 'keyTypes.pii.migration.reads.0'],
    [{ ...WINDOW, writes: ['plain'] }, 'keyTypes.pii.migration.writes'],
  ])('refuses %j', async (migration, path) => {
    const error = await failureOf(() => parse(migration))
    expect(error).toMatchObject({ code: 'ERR_POLICY_INVALID', message: expect.stringContaining(path) })
  })

  it('may open it in one profile only', () => {
    const profiles = { test: { keyTypes: { pii: { migration: WINDOW } } } }
    const document = { profiles }
    expect(pii(parsePolicyDocument(document))).not.toHaveProperty('migration')
    const chosen = parsePolicyDocument(document, { profile: { name: 'test', expected: false } })
    expect(pii(chosen).migration?.reads).toEqual(['plain', 'fernet'])
  })

  it('states it for a key type, not for all', async () => {
    const error = await failureOf(() => parsePolicyDocument({ defaults: { migration: WINDOW } }))
    expect(error).toMatchObject({ code: 'ERR_POLICY_INVALID' })
  })
})

describe('the window', () => {
  it('ends at its instant', () => {
    expect(formatsReadable(pii(parse(WINDOW)), UNTIL - 1)).toEqual(['plain', 'fernet'])
    expect(formatsReadable(pii(parse(WINDOW)), UNTIL)).toEqual([])
    expect(formatsReadable(pii(parsePolicyDocument({})), 0)).toEqual([])
  })

  it('is explained', () => {
    const lines = (now: number) => explain(parse(WINDOW), { operation: 'decrypt', keyType: 'pii' }, now).lines
    expect(lines(UNTIL - 86_400_000)).toContain(
      'Migration: values in plain and fernet are read as well until 2027-02-01T00:00:00Z, for 1 day more.',
    )
    expect(lines(UNTIL)).toContain(
      'Migration: the window closed at 2027-02-01T00:00:00Z; values in plain and fernet are refused.',
    )
    const none = explain(parsePolicyDocument({}), { operation: 'decrypt', keyType: 'pii' }, 0)
    expect(none.lines.join()).not.toContain('Migration')
  })

  it('is compared member by member', () => {
    const plan = planPolicy(parsePolicyDocument({}), parse(WINDOW), [], 0)
    expect(plan.keyTypes).toMatchObject([
      {
        keyType: 'pii',
        changes: [
          { path: 'migration.until', from: 'none', to: '2027-02-01T00:00:00Z' },
          { path: 'migration.reads', from: 'none', to: 'plain, fernet' },
        ],
      },
    ])
  })
})
