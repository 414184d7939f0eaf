/**
 * The state of every key of a keyring, from what is stored and the clock. Pure.
 *
 * A rotation stores the next version with the date from which it encrypts; the date decides, so no process has to
 * wake up and write anything for it. States and names follow NIST SP 800-57 part 1, section 7.
 */
import { KeywrightError } from '../errors.ts'
import type { KeyRecord, KeyState, KeyStatus } from '../store.ts'

/** The keys of one keyring at one instant. */
export interface KeyringView {
  /** Ordered by version. */
  readonly records: readonly KeyRecord[]
  /** The version whose turn it is, whatever its status; absent in an empty keyring. */
  readonly current: KeyRecord | undefined
  /** The next version, when one is prepared. */
  readonly pending: KeyRecord | undefined
  stateOf(record: KeyRecord): KeyState
  /** When a newer version took over, ms since the epoch; undefined while none has. */
  deactivatedAt(record: KeyRecord): number | undefined
}

/** A version that was withdrawn before its date never takes its turn. */
function takesTurn(record: KeyRecord): boolean {
  return record.status === 'enabled' || record.statusAt >= record.activatesAt
}

/** The view of one keyring's records at `now`. */
export function viewKeyring(unordered: readonly KeyRecord[], now: number): KeyringView {
  const records = [...unordered].sort((a, b) => a.version - b.version)
  const turns = records.filter((record) => record.activatesAt <= now && takesTurn(record))
  const ahead = records
    .filter((record) => record.activatesAt > now && record.status === 'enabled')
    .sort((a, b) => a.activatesAt - b.activatesAt)
  // The first key of a keyring encrypts at once. Where its date is ahead, its maker's clock is.
  const current = turns.at(-1) ?? ahead[0]
  const pending = ahead.find((record) => record.version > (current?.version ?? 0))
  return {
    records,
    current,
    pending,
    stateOf(record) {
      if (record.status !== 'enabled') return record.status
      if (current === undefined || record.version > current.version) return 'pending'
      return record.version === current.version ? 'active' : 'deactivated'
    },
    deactivatedAt(record) {
      const later = turns.filter((other) => other.version > record.version)
      return later.length === 0 ? undefined : Math.min(...later.map((other) => other.activatesAt))
    },
  }
}

/** What may become of a stored status. Anything else is refused. */
const TRANSITIONS: Readonly<Record<KeyStatus, readonly KeyStatus[]>> = {
  enabled: ['suspended', 'compromised', 'destroyed'],
  suspended: ['enabled', 'compromised', 'destroyed'],
  compromised: ['destroyed'],
  destroyed: [],
}

/** The record after a change of status, ready for `store.update`. Throws ERR_KEY_STATE for one that is refused. */
export function withStatus(record: KeyRecord, status: KeyStatus, reason: string, now: number): KeyRecord {
  if (!TRANSITIONS[record.status].includes(status)) {
    throw new KeywrightError(
      'ERR_KEY_STATE',
      `key ${record.id} is ${record.status}, it cannot become ${status}`,
      {
        hint:
          record.status === 'destroyed'
            ? 'a destroyed key is gone; only its entry remains'
            : `from ${record.status} it can become: ${TRANSITIONS[record.status].join(', ')}`,
        details: { keyId: record.id, keyring: record.keyring, from: record.status, to: status },
      },
    )
  }
  const at = Math.max(now, record.statusAt) // whoever changed it before may have a clock that is ahead
  return {
    ...record,
    activatesAt: activationAfter(record, status, at),
    status,
    statusAt: at,
    statusReason: reason,
    wraps: status === 'destroyed' ? [] : record.wraps,
    revision: record.revision + 1,
  }
}

/**
 * A version that was withdrawn before its turn gets none by changing status again: its date stays ahead. Put back into
 * use, it has its turn from now on, not from a date when another version encrypted.
 */
function activationAfter(record: KeyRecord, status: KeyStatus, now: number): number {
  if (takesTurn(record)) return record.activatesAt
  return Math.max(record.activatesAt, status === 'enabled' ? now : now + 1)
}
