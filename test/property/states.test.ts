/** What must hold of a keyring in every history: one current key at most, and time only moves it on. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { viewKeyring, withStatus } from '../../src/keys/states.ts'
import type { KeyRecord, KeyStatus } from '../../src/store.ts'

const END = 100

function keyRecord(version: number, activatesAt: number): KeyRecord {
  return {
    id: version,
    keyring: 'pii',
    version,
    algorithm: 'AES-256-GCM',
    createdAt: 0,
    activatesAt,
    status: 'enabled',
    statusAt: 0,
    statusReason: '',
    wraps: [],
    commitment: new Uint8Array(32),
    mac: new Uint8Array(32),
    usage: { messages: 0, bytes: 0 },
    revision: 1,
  }
}

const anyStatus = fc.constantFrom<KeyStatus>('enabled', 'suspended', 'compromised', 'destroyed')
const records = fc
  .array(fc.record({ activatesAt: fc.nat(END), status: anyStatus, statusAt: fc.nat(END) }), { maxLength: 6 })
  .map((all) => all.map((members, index) => ({ ...keyRecord(index + 1, members.activatesAt), ...members })))

it('has at most one current key, at every instant, and it is the only one that is active', () => {
  fc.assert(
    fc.property(records, fc.nat(END), (all, now) => {
      const view = viewKeyring(all, now)
      const active = all.filter((record) => view.stateOf(record) === 'active')
      expect(active.length).toBeLessThanOrEqual(1)
      if (view.current?.status === 'enabled') expect(active).toEqual([view.current])
      else expect(active).toEqual([])
      if (view.pending !== undefined) {
        expect(view.pending.activatesAt).toBeGreaterThan(now)
        expect(view.stateOf(view.pending)).toBe('pending')
      }
    }),
    { numRuns: 1000 },
  )
})

it('moves on in time only: the current version never falls, and what was replaced stays replaced', () => {
  fc.assert(
    fc.property(records, (all) => {
      let version = 0
      const replaced = new Map<number, number>()
      const start = Math.max(0, ...all.map(({ statusAt }) => statusAt)) // before it the statuses were others
      for (let now = start; now <= END; now++) {
        const view = viewKeyring(all, now)
        expect(view.current?.version ?? 0).toBeGreaterThanOrEqual(version)
        version = view.current?.version ?? version
        for (const [id, at] of replaced) {
          const record = all.find((other) => other.id === id) as KeyRecord
          expect(view.deactivatedAt(record)).toBe(at)
        }
        for (const record of all) {
          const at = view.deactivatedAt(record)
          if (at === undefined) continue
          expect(at).toBeLessThanOrEqual(now)
          replaced.set(record.id, at)
        }
      }
    }),
  )
})

it('asked only at the date of the pending key, gives the same answer as asked all the time', () => {
  fc.assert(
    fc.property(records, (all) => {
      let kept = viewKeyring(all, 0)
      for (let now = 0; now <= END; now++) {
        if (kept.pending !== undefined && now >= kept.pending.activatesAt) kept = viewKeyring(all, now)
        const fresh = viewKeyring(all, now)
        // Withdrawn versions may have taken a turn nobody was waiting for: what encrypts is what matters.
        const encrypts = (view: typeof fresh) =>
          view.current?.status === 'enabled' ? view.current.id : undefined
        if (all.every((record) => record.status === 'enabled')) expect(encrypts(kept)).toBe(encrypts(fresh))
      }
    }),
  )
})

const step = fc.record({
  wait: fc.nat(20),
  version: fc.integer({ min: 1, max: 4 }),
  status: anyStatus,
})

it('in any history of changes, what is withdrawn before its turn never stops what encrypts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(60), { minLength: 2, maxLength: 4 }),
      fc.array(step, { maxLength: 8 }),
      (dates, steps) => {
        let all = dates.map((date, index) => keyRecord(index + 1, index === 0 ? 0 : date))
        let now = 0
        for (const { wait, version, status } of steps) {
          const index = version - 1
          now += wait
          const before = viewKeyring(all, now)
          const record = all[index]
          if (record === undefined) continue
          let changed: KeyRecord
          try {
            changed = withStatus(record, status, '', now)
          } catch {
            continue
          }
          all = all.with(index, changed)
          const after = viewKeyring(all, now)
          const wasCurrent = before.current?.id === record.id
          // A change of another key's status moves the current one only by putting a later version back into use.
          if (!wasCurrent && status !== 'enabled') expect(after.current?.id).toBe(before.current?.id)
          if (status === 'enabled')
            expect(after.current?.version ?? 0).toBeGreaterThanOrEqual(before.current?.version ?? 0)
          for (const other of all) {
            const at = before.deactivatedAt(other)
            if (at !== undefined) expect(after.deactivatedAt(other)).toBe(at)
          }
        }
      },
    ),
    { numRuns: 2000 },
  )
})
