/** Whether a key may be destroyed, and if not, what is missing. Pure: the same facts give the same answer. */
import { formatDuration, formatInstant } from '../policy/duration.ts'
import type { KeyState } from '../store.ts'
import { type CensusRecord, notCovered } from './census.ts'

/** All that the decision depends on. Times are ms since the epoch. */
export interface DestroyFacts {
  readonly keyId: number
  readonly now: number
  readonly state: KeyState
  /** Its turn has come and no newer version has taken over. */
  readonly isCurrent: boolean
  /** When a newer version took over; absent while none has. */
  readonly deactivatedAt?: number | undefined
  /** From then on no process encrypts under it any more. */
  readonly quietAt: number
  /** How long a replaced key is kept at least, in ms. */
  readonly graceMs: number
  /** What a census has to read: see `coverageOf`. */
  readonly declared: readonly string[]
  /** A declared column is of its key type, or the last census found something of its keyring. */
  readonly isPlaced: boolean
  /** The last census that was recorded. */
  readonly census?: CensusRecord | undefined
}

export interface DestroyVerdict {
  readonly allowed: boolean
  /** A person may override what is missing, with a reason. */
  readonly overridable: boolean
  /** What is missing; for an open gate why it is open. */
  readonly why: string
  /** What to do about it. */
  readonly hint: string
}

/** What cannot be overridden comes first, then what a census has to show. */
export function destroyVerdict(facts: DestroyFacts): DestroyVerdict {
  return keyVerdict(facts) ?? censusVerdict(facts)
}

const CENSUS = 'keywright census'

function keyVerdict(facts: DestroyFacts): DestroyVerdict | undefined {
  const { deactivatedAt, graceMs, isCurrent, now, quietAt, state } = facts
  if (isCurrent && state !== 'compromised') return never('it is the active key', 'rotate the keyring first')
  if (state === 'pending') {
    return never('other processes may hold it ready to encrypt', 'revoke it: then it never does')
  }
  if (deactivatedAt !== undefined && now < deactivatedAt + graceMs) {
    const until = formatInstant(deactivatedAt + graceMs)
    return never(`its grace period lasts until ${until}`, 'wait, or shorten "grace" in the policy')
  }
  if (state === 'compromised' && now < quietAt) {
    const why = `other processes may encrypt under it until ${formatInstant(quietAt)}`
    return never(why, 'wait until each of them has heard that it was revoked')
  }
  return undefined
}

function censusVerdict(facts: DestroyFacts): DestroyVerdict {
  const { keyId, now, graceMs, isPlaced, quietAt, declared, census } = facts
  if (declared.length === 0) {
    const why = 'nobody has counted what is still encrypted under it: no place is declared'
    return ask(why, `declare tables, Redis keys and folders under "sources" in the policy, then ${CENSUS}`)
  }
  if (census === undefined) return ask('nobody has counted what is still encrypted under it', `run ${CENSUS}`)
  if (!census.complete) return ask('the last census could not read every place', `run ${CENSUS} again`)
  const [missing, ...more] = notCovered(census.covers, declared)
  if (missing !== undefined) {
    const others = more.length === 0 ? '' : ` and ${more.length} more`
    return ask(`the last census did not look at ${missing}${others}`, `run ${CENSUS} over all places`)
  }
  const found = census.keys.get(keyId)
  if (found !== undefined && found.count > 0) {
    const values = found.count === 1 ? 'one value' : `${found.count.toLocaleString('en-US')} values`
    return ask(`the last census found ${values} under it`, `run keywright reencrypt, then ${CENSUS}`)
  }
  if (!isPlaced) {
    const why = 'no declared place holds values of its key type, so the census says nothing of it'
    return ask(why, 'declare where they are under "sources" in the policy')
  }
  if (census.startedAt < quietAt) {
    const when = formatInstant(quietAt)
    return ask(
      `the last census began before ${when}, when it could still be encrypted under`,
      `run ${CENSUS} again`,
    )
  }
  const emptyAt = (found?.emptySince ?? census.startedAt) + graceMs
  if (now < emptyAt) {
    const why = `it was found empty for less than its grace period of ${formatDuration(graceMs)}`
    return ask(why, `wait until ${formatInstant(emptyAt)}: something may still come back from a backup`)
  }
  const since = formatInstant(found?.emptySince ?? census.startedAt)
  return {
    allowed: true,
    overridable: true,
    why: `every census since ${since} found nothing under it`,
    hint: '',
  }
}

const never = (why: string, hint: string): DestroyVerdict => ({
  allowed: false,
  overridable: false,
  why,
  hint,
})
const ask = (why: string, hint: string): DestroyVerdict => ({ allowed: false, overridable: true, why, hint })
