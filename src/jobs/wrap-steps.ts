/** The steps of which moves and repairs are made: add a wrap, prefer it, check it, remove another. Each on one key. */
import { wipe } from '../crypto/bytes.ts'
import { unwrapRecord, unwrapThrough } from '../keys/opener.ts'
import { wrapVerified } from '../keys/verified-wrap.ts'
import type { KeyRecord, WrappedKey } from '../store.ts'
import { changeWraps } from './change-wraps.ts'
import type { RunningJob } from './job.ts'
import { type KeyLog, ofThisKey } from './key-log.ts'
import { without, wrapsOf } from './move-state.ts'

/** What a step works with. */
export interface StepContext {
  readonly job: RunningJob
  readonly log: KeyLog
}

/** Which keys get a wrap, and where among the others it goes. */
export interface Placing {
  readonly provider: string
  readonly wants: (record: KeyRecord) => boolean
  readonly placed: (record: KeyRecord, added: WrappedKey) => readonly WrappedKey[]
}

/**
 * Adds a wrap by a provider, which must have given the key back. The key is opened through whatever wrap opens it.
 * Resolves to whether it was added. What the new provider fails with is thrown as it is: it would fail for the next
 * key as well.
 */
export async function addWrap(
  { job, log }: StepContext,
  first: KeyRecord,
  { provider, wants, placed }: Placing,
): Promise<boolean> {
  const { services, reason } = job
  let made: WrappedKey | undefined // good for every attempt: neither key nor context changes
  const added = await changeWraps(
    services,
    first,
    async (record) => {
      if (!wants(record)) return undefined
      made ??= await makeWrap(job, record, provider)
      const { masterKeyId, masterKeyVersion } = made
      const details = { provider, masterKeyId, masterKeyVersion }
      return { event: 'key.add-wrap', wraps: placed(record, made), details }
    },
    reason,
  )
  if (added === undefined) return false
  log.add(first, 'check', provider)
  log.add(first, 'add-wrap', provider)
  return true
}

async function makeWrap({ services }: RunningJob, record: KeyRecord, provider: string): Promise<WrappedKey> {
  const dataKey = await ofThisKey(() => unwrapRecord(services.calls, record))
  try {
    return await wrapVerified(services.calls, record, provider, dataKey)
  } finally {
    wipe(dataKey)
  }
}

/** Puts the wraps in another order. `reordered` is undefined when they are in order. */
export async function preferWrap(
  { job, log }: StepContext,
  first: KeyRecord,
  provider: string,
  reordered: (record: KeyRecord) => readonly WrappedKey[] | undefined,
): Promise<boolean> {
  const { services, reason } = job
  const changed = await changeWraps(
    services,
    first,
    async (record) => {
      const wraps = reordered(record)
      return wraps && { event: 'key.prefer-wrap', wraps, details: { provider } }
    },
    reason,
  )
  if (changed === undefined) return false
  log.add(first, 'prefer-wrap', provider)
  return true
}

/**
 * Removes the wraps of `provider`, after those of every provider in `by` have opened the key, just now and in the
 * very record that is written. `mayGo` looks at each record first.
 */
export async function removeWraps(
  { job, log }: StepContext,
  first: KeyRecord,
  provider: string,
  by: readonly string[],
  mayGo: (record: KeyRecord) => boolean,
): Promise<boolean> {
  const { services, reason } = job
  const changed = await changeWraps(
    services,
    first,
    async (record) => {
      if (!mayGo(record)) return undefined
      for (const other of by) await checkOpens({ job, log }, record, other)
      const details = { provider, openedBy: by.join(', ') }
      return { event: 'key.remove-wrap', wraps: without(record.wraps, provider), details }
    },
    reason,
  )
  if (changed === undefined) return false
  log.add(first, 'remove-wrap', provider)
  return true
}

/** Really opens the key by the wraps of one provider, and compares. Throws KeyFailure when it does not open. */
export async function checkOpens({ job, log }: StepContext, record: KeyRecord, by: string): Promise<void> {
  const { calls } = job.services
  const { dataKey } = await ofThisKey(() => unwrapThrough(calls, record, wrapsOf(record, by)))
  wipe(dataKey)
  log.add(record, 'check', by)
}
