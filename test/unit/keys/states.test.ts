/** Who is active when: the view of a keyring from its records and the clock, and the table of transitions. */
import { describe, expect, it } from 'vitest'
import { viewKeyring, withStatus } from '../../../src/keys/states.ts'
import type { KeyRecord, KeyState, KeyStatus } from '../../../src/store.ts'
import { expectCode } from '../../kit/failures.ts'

function keyRecord(version: number, members: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id: 100 + version,
    keyring: 'pii',
    version,
    algorithm: 'AES-256-GCM',
    createdAt: 0,
    activatesAt: 0,
    status: 'enabled',
    statusAt: 0,
    statusReason: '',
    wraps: [
      {
        provider: 'p',
        masterKeyId: 'm',
        masterKeyVersion: '1',
        algorithm: 'a',
        ciphertext: new Uint8Array(1),
      },
    ],
    commitment: new Uint8Array(32),
    mac: new Uint8Array(32),
    usage: { messages: 0, bytes: 0 },
    revision: 1,
    ...members,
  }
}

/** 'v1 active, v2 pending' at `now`. */
function statesAt(records: readonly KeyRecord[], now: number): string {
  const view = viewKeyring(records, now)
  return view.records.map((record) => `v${record.version} ${view.stateOf(record)}`).join(', ')
}

describe('viewKeyring', () => {
  it('of no records has neither a current nor a pending key', () => {
    const view = viewKeyring([], 0)
    expect([view.current, view.pending, view.records]).toEqual([undefined, undefined, []])
  })

  const rotated = [keyRecord(1), keyRecord(2, { activatesAt: 100 })]
  const withdrawn = (status: KeyStatus, statusAt: number) => [
    keyRecord(1),
    keyRecord(2, { activatesAt: 100, status, statusAt }),
  ]
  it.each<[string, readonly KeyRecord[], number, string]>([
    ['one key', [keyRecord(1)], 0, 'v1 active'],
    ['the first key by a clock that is behind', [keyRecord(1, { activatesAt: 5 })], 4, 'v1 active'],
    ['before the date', rotated, 99, 'v1 active, v2 pending'],
    ['on the date', rotated, 100, 'v1 deactivated, v2 active'],
    ['whatever the order they are stored in', rotated.toReversed(), 100, 'v1 deactivated, v2 active'],
    ['the same date for both', [keyRecord(1), keyRecord(2)], 0, 'v1 deactivated, v2 active'],
    [
      'the later version with the earlier date',
      [keyRecord(1, { activatesAt: 50 }), keyRecord(2)],
      60,
      'v1 deactivated, v2 active',
    ],
    ['suspended in its turn', withdrawn('suspended', 100), 150, 'v1 deactivated, v2 suspended'],
    ['compromised in its turn', withdrawn('compromised', 120), 150, 'v1 deactivated, v2 compromised'],
    ['suspended before its turn', withdrawn('suspended', 99), 150, 'v1 active, v2 suspended'],
    ['compromised before its turn', withdrawn('compromised', 99), 150, 'v1 active, v2 compromised'],
    ['destroyed before its turn', withdrawn('destroyed', 99), 150, 'v1 active, v2 destroyed'],
    ['the only key suspended', [keyRecord(1, { status: 'suspended', statusAt: 5 })], 10, 'v1 suspended'],
    [
      'an old one compromised',
      [keyRecord(1, { status: 'compromised', statusAt: 150 }), keyRecord(2, { activatesAt: 100 })],
      200,
      'v1 compromised, v2 active',
    ],
  ])('%s', (_, records, now, expected) => {
    expect(statesAt(records, now)).toBe(expected)
  })

  it('knows since when a version was replaced', () => {
    const records = [keyRecord(1), keyRecord(2, { activatesAt: 100 }), keyRecord(3, { activatesAt: 200 })]
    const dates = (now: number) => {
      const view = viewKeyring(records, now)
      return view.records.map((record) => view.deactivatedAt(record))
    }
    expect(dates(99)).toEqual([undefined, undefined, undefined])
    expect(dates(100)).toEqual([100, undefined, undefined])
    expect(dates(200)).toEqual([100, 200, undefined])
  })

  it('does not count a version that never had its turn as a replacement', () => {
    const records = [keyRecord(1), keyRecord(2, { activatesAt: 100, status: 'compromised', statusAt: 50 })]
    const view = viewKeyring(records, 500)
    expect(view.deactivatedAt(records[0] as KeyRecord)).toBeUndefined()
  })

  it('has the version whose date comes first as pending', () => {
    const records = [keyRecord(1), keyRecord(2, { activatesAt: 100 }), keyRecord(3, { activatesAt: 200 })]
    expect(viewKeyring(records, 50).pending?.version).toBe(2)
    expect(viewKeyring(records, 100).pending?.version).toBe(3)
    expect(viewKeyring(records, 200).pending).toBeUndefined()
  })

  it('has no pending version that is withdrawn, or lower than the current one', () => {
    const suspended = [keyRecord(1), keyRecord(2, { activatesAt: 100, status: 'suspended', statusAt: 10 })]
    expect(viewKeyring(suspended, 50).pending).toBeUndefined()
    const lower = [keyRecord(1, { activatesAt: 100 }), keyRecord(2)]
    expect(viewKeyring(lower, 50).pending).toBeUndefined()
  })
})

describe('withStatus', () => {
  const STATUSES: KeyStatus[] = ['enabled', 'suspended', 'compromised', 'destroyed']
  const ALLOWED: Record<KeyStatus, readonly KeyStatus[]> = {
    enabled: ['suspended', 'compromised', 'destroyed'],
    suspended: ['enabled', 'compromised', 'destroyed'],
    compromised: ['destroyed'],
    destroyed: [],
  }

  it.each(STATUSES.flatMap((from) => STATUSES.map((to) => [from, to] as const)))(
    '%s to %s',
    async (from, to) => {
      const record = keyRecord(1, { status: from, revision: 7, statusAt: 3 })
      if (!ALLOWED[from].includes(to)) {
        const error = await expectCode(() => withStatus(record, to, 'why', 50), 'ERR_KEY_STATE')
        expect(error.details).toMatchObject({ keyId: 101, from, to })
        return
      }
      const after = withStatus(record, to, 'why', 50)
      expect(after).toEqual({
        ...record,
        status: to,
        statusAt: 50,
        statusReason: 'why',
        revision: 8,
        wraps: to === 'destroyed' ? [] : record.wraps,
      })
      expect(record.wraps.length).toBe(1)
    },
  )

  it.each<[KeyStatus]>([['compromised'], ['destroyed']])(
    'a version that was withdrawn before its turn does not get one by becoming %s later',
    (status) => {
      const pending = keyRecord(2, { activatesAt: 100 })
      const withdrawn = withStatus(pending, 'suspended', '', 50)
      const after = withStatus(withdrawn, status, 'why', 150)
      expect(statesAt([keyRecord(1), after], 150)).toBe(`v1 active, v2 ${status}`)
      expect(statesAt([keyRecord(1), after], 100_000)).toBe(`v1 active, v2 ${status}`)
    },
  )

  it('a version that is put back after its date takes its turn then, not earlier', () => {
    const v1 = keyRecord(1)
    const suspended = withStatus(keyRecord(2, { activatesAt: 100 }), 'suspended', '', 50)
    const resumed = withStatus(suspended, 'enabled', '', 500)
    expect(statesAt([v1, resumed], 500)).toBe('v1 deactivated, v2 active')
    expect(viewKeyring([v1, resumed], 500).deactivatedAt(v1)).toBe(500)
    const before = withStatus(suspended, 'enabled', '', 80)
    expect(statesAt([v1, before], 99)).toBe('v1 active, v2 pending')
    expect(statesAt([v1, before], 100)).toBe('v1 deactivated, v2 active')
  })

  it('a version that was suspended in its turn keeps its place', () => {
    const suspended = withStatus(keyRecord(2, { activatesAt: 100 }), 'suspended', '', 150)
    expect(statesAt([keyRecord(1), suspended], 160)).toBe('v1 deactivated, v2 suspended')
    const resumed = withStatus(suspended, 'enabled', '', 200)
    expect(resumed.activatesAt).toBe(100)
  })
})

it('names every state', () => {
  const states: KeyState[] = ['pending', 'active', 'deactivated', 'suspended', 'compromised', 'destroyed']
  const records = [
    keyRecord(1, { status: 'destroyed', statusAt: 9 }),
    keyRecord(2, { status: 'compromised', statusAt: 9 }),
    keyRecord(3, { status: 'suspended', statusAt: 9 }),
    keyRecord(4),
    keyRecord(5),
    keyRecord(6, { activatesAt: 100 }),
  ]
  const view = viewKeyring(records, 10)
  expect(records.map((record) => view.stateOf(record)).sort()).toEqual(states.sort())
})
