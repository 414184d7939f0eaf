/** Tasks on keys: rotate, rewrap, clean up, report. */
import { KeywrightError } from '../../errors.ts'
import { expiredKeys } from '../../keys/lifecycle.ts'
import type { RotationReport } from '../../keys/manager.ts'
import { rotateKeyring } from '../../keys/rotation.ts'
import type { KeyInfo } from '../../keys/views.ts'
import { keyTypePolicy, parseKeyring } from '../../policy/keyring-name.ts'
import { readRuns } from './runs.ts'
import {
  count,
  eachOf,
  type LifecycleOptions,
  type LifecycleParts,
  type RunTask,
  type StepFailure,
  type TaskResult,
} from './task.ts'

/** A key as reports name it. */
const brief = ({ id, keyring, state, version }: KeyInfo) => ({ id, keyring, version, state })

/** The next key of every keyring that is due. */
export const rotateDue: RunTask = async (parts, options) => {
  const due = (await parts.keys.list()).filter((key) => key.due && isOf(options, key.keyring))
  return rotate(parts, options, unique(due.map(({ keyring }) => keyring)), {})
}

/** The next key of all keyrings of one key type; with `force` also where none is due. */
export const rotateOne: RunTask = async (parts, options) => {
  const { force = false, keyType = '' } = options
  keyTypePolicy(parts.services.policy, keyType) // a name with a typo is no keyring without keys
  const all = (await parts.keys.keyrings()).filter((keyring) => isOf(options, keyring))
  return rotate(parts, options, all, { force })
}

async function rotate(
  { services, rings }: LifecycleParts,
  options: LifecycleOptions,
  keyrings: readonly string[],
  how: { readonly force?: boolean },
): Promise<TaskResult> {
  const done: (Pick<RotationReport, 'why'> & {
    readonly keyring: string
    readonly keyId: number
    readonly activatesAt: string
  })[] = []
  const failures = await eachOf(keyrings, options, String, async (keyring) => {
    const because = options.reason === undefined ? {} : { reason: options.reason }
    const { key, rotated, why } = await rotateKeyring(services, keyring, { ...how, ...because })
    if (!rotated) return
    done.push({ keyring, why, keyId: key.id, activatesAt: iso(key.activatesAt) })
    await rings.loaded.find(({ name }) => name === keyring)?.records.refreshAfterWrite()
  })
  return {
    outcome: done.length === 0 ? 'nothing due' : 'done',
    summary: done.length === 0 ? 'no keyring is due' : `${count(done.length, 'keyring')} rotated`,
    failures,
    details: { rotated: done },
  }
}

/** Wraps that are behind their master key. */
export const rewrap: RunTask = async ({ keys }) => {
  const { conflicts, current, failed, keys: looked, rewrapped } = await keys.rewrap()
  const failures: StepFailure[] = failed.map(({ code, keyId, keyring }) => ({
    what: `key ${keyId} of ${keyring}`,
    code,
    message: 'its wrap could not be renewed and is as it was',
    retryable: false,
  }))
  return {
    outcome: rewrapped + conflicts === 0 ? 'nothing due' : 'done',
    summary: rewrapped === 0 ? 'every wrap is current' : `${count(rewrapped, 'wrap')} renewed`,
    failures,
    details: { keys: looked, rewrapped, current, conflicts },
  }
}

/** Destroys expired keys that the gate lets go; those that it keeps are told with the reason. */
export const cleanup: RunTask = async ({ keys, services }, options) => {
  const expired = (await expiredKeys(services)).filter(({ keyring }) => isOf(options, keyring))
  const destroyed: ReturnType<typeof brief>[] = []
  const kept: { readonly id: number; readonly keyring: string; readonly why: string }[] = []
  const failures = await eachOf(
    expired,
    options,
    ({ id, keyring }) => `key ${id} of ${keyring}`,
    async ({ id, keyring }) => {
      try {
        destroyed.push(brief(await keys.destroy(id)))
      } catch (error) {
        if (!(error instanceof KeywrightError) || error.code !== 'ERR_DESTROY_REFUSED') throw error
        kept.push({ id, keyring, why: error.message })
      }
    },
  )
  const parts = [
    ...(destroyed.length === 0 ? [] : [`${count(destroyed.length, 'key')} destroyed`]),
    ...(kept.length === 0 ? [] : [`${count(kept.length, 'expired key')} kept`]),
  ]
  return {
    outcome: destroyed.length === 0 ? 'nothing due' : 'done',
    summary: parts.join(', ') || 'no key is expired',
    failures,
    details: { destroyed, kept },
  }
}

/** Numbers over all keys. */
export const report: RunTask = async ({ keys, services }) => {
  const { nextRotationAt, ...statistics } = await keys.statistics()
  const { byState, due, expired, keys: all, overdue } = statistics
  return {
    summary: `${count(all, 'key')}: ${byState.active} active, ${byState.deactivated} replaced, ${due} due, ${overdue} overdue, ${expired} expired`,
    details: {
      ...statistics,
      ...(nextRotationAt === undefined ? {} : { nextRotationAt: iso(nextRotationAt) }),
      runs: await runsOf(services),
    },
  }
}

/** What `lifecycle watch` did last, by task; empty where nobody watches. */
async function runsOf({ store }: LifecycleParts['services']): Promise<Record<string, object>> {
  const runs = store.documents === undefined ? {} : await readRuns(store.documents)
  const told = Object.entries(runs).map(([task, { code, finishedAt, outcome, startedAt }]) => {
    const dates = {
      ...(startedAt && { startedAt: iso(startedAt) }),
      ...(finishedAt && { finishedAt: iso(finishedAt) }),
    }
    return [task, { ...dates, ...(outcome && { outcome }), ...(code && { code }) }] as const
  })
  return Object.fromEntries(told)
}

const iso = (ms: number): string => new Date(ms).toISOString()

const isOf = ({ keyType }: LifecycleOptions, keyring: string): boolean =>
  keyType === undefined || parseKeyring(keyring).keyType === keyType

const unique = (names: readonly string[]): string[] => [...new Set(names)]
