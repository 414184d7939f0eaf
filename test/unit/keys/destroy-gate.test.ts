/** Whether a key may be destroyed: every fact that keeps it, one at a time. */
import { describe, expect, it } from 'vitest'
import type { CensusRecord } from '../../../src/keys/census.ts'
import { coverageOf } from '../../../src/keys/census.ts'
import { type DestroyFacts, destroyVerdict } from '../../../src/keys/destroy-gate.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 5, 1)
const ID = 77

const census = (changes: Partial<CensusRecord> = {}): CensusRecord => ({
  startedAt: NOW - DAY,
  finishedAt: NOW - DAY + 1000,
  complete: true,
  covers: ['users.email', 'users.email_index', 'docs/'],
  series: ['users.email', 'users.email_index', 'docs/'],
  keys: new Map([[ID, { count: 0, emptySince: NOW - 31 * DAY }]]),
  ...changes,
})

const OPEN: DestroyFacts = {
  keyId: ID,
  now: NOW,
  state: 'deactivated',
  isCurrent: false,
  deactivatedAt: NOW - 40 * DAY,
  quietAt: NOW - 40 * DAY + 60_000,
  graceMs: 30 * DAY,
  declared: ['users.email', 'docs/'],
  isPlaced: true,
  census: census(),
}

it('opens when nothing is missing, and says why', () => {
  expect(destroyVerdict(OPEN)).toMatchObject({ allowed: true, why: expect.stringContaining('2026-05-01') })
})

describe('what nobody can override', () => {
  it.each<[string, Partial<DestroyFacts>, string]>([
    ['the active key', { isCurrent: true, state: 'active' }, 'active key'],
    ['a suspended key whose turn it is', { isCurrent: true, state: 'suspended' }, 'active key'],
    ['a pending key', { state: 'pending' }, 'ready to encrypt'],
    ['grace', { deactivatedAt: NOW - 30 * DAY + 1 }, 'grace period lasts until'],
    ['endless grace', { graceMs: Number.POSITIVE_INFINITY }, 'lasts until never'],
    [
      'a revocation not heard by all',
      { state: 'compromised', quietAt: NOW + 1 },
      'other processes may encrypt',
    ],
  ])('%s', (_, changes, why) => {
    const verdict = destroyVerdict({ ...OPEN, ...changes })
    expect(verdict).toMatchObject({ allowed: false, overridable: false, why: expect.stringContaining(why) })
    expect(verdict.hint).not.toBe('')
  })
})

describe('what a census has to show', () => {
  it.each<[string, Partial<DestroyFacts>, string, string]>([
    ['no place', { declared: [] }, 'no place is declared', '"sources"'],
    ['no census', { census: undefined }, 'nobody has counted', 'keywright census'],
    ['an incomplete one', { census: census({ complete: false }) }, 'could not read every place', 'again'],
    [
      'one that did not look everywhere',
      { declared: ['users.email', 'users.phone', 'x/'] },
      'users.phone and 1 more',
      'over all places',
    ],
    [
      'values',
      { census: census({ keys: new Map([[ID, { count: 1200 }]]) }) },
      '1,200 values',
      'keywright reencrypt',
    ],
    [
      'one value',
      { census: census({ keys: new Map([[ID, { count: 1 }]]) }) },
      'one value',
      'keywright reencrypt',
    ],
    [
      'one from before its deactivation was heard',
      { quietAt: NOW - DAY + 1 },
      'began before',
      'keywright census',
    ],
    [
      'empty for too short a time',
      { census: census({ keys: new Map([[ID, { count: 0, emptySince: NOW - 30 * DAY + 1 }]]) }) },
      'less than its grace period of 30 days',
      'wait until 2026-06-01',
    ],
    [
      'a first census today',
      { census: census({ keys: new Map() }) },
      'less than its grace period',
      'wait until 2026-06-30',
    ],
  ])('%s', (_, changes, why, hint) => {
    expect(destroyVerdict({ ...OPEN, ...changes })).toMatchObject({
      allowed: false,
      overridable: true,
      why: expect.stringContaining(why),
      hint: expect.stringContaining(hint),
    })
  })

  it('a compromised key needs it as well', () => {
    const facts: DestroyFacts = { ...OPEN, state: 'compromised', isCurrent: true, deactivatedAt: undefined }
    expect(destroyVerdict(facts).allowed).toBe(true)
    expect(destroyVerdict({ ...facts, census: undefined }).allowed).toBe(false)
  })

  it('what it covers has a name for each column, index and folder', () => {
    expect(
      coverageOf([
        {
          kind: 'rows',
          name: 'users',
          columns: { email: { indexes: [{ column: 'email_index' }] }, phone: {} },
        },
        { kind: 'folder', name: 'docs' },
      ]),
    ).toEqual(['users.email', 'users.email_index', 'users.phone', 'docs/'])
  })
})
