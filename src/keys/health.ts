/** How well everything stands: provider, store, policy, each loaded keyring. Looks, changes nothing. */
import { KeywrightError } from '../errors.ts'
import type { Keyring } from './keyring.ts'
import type { Keyrings } from './keyrings.ts'
import type { KeyServices } from './services.ts'
import { keyInfo } from './views.ts'

export type HealthState = 'ok' | 'degraded' | 'failed'

export interface HealthCheck {
  readonly component: 'provider' | 'store' | 'policy' | 'keyring'
  readonly name: string
  readonly state: HealthState
  /** What is wrong, or what was found. One sentence each. */
  readonly notes: readonly string[]
  readonly code?: string
  /** How long ago this last succeeded, in ms. Absent: never in this process. */
  readonly lastSuccessAgeMs?: number
}

export interface Health {
  /** The worst of all checks. */
  readonly state: HealthState
  readonly checks: readonly HealthCheck[]
}

const RANK = { ok: 0, degraded: 1, failed: 2 } as const

/** Checks everything, providers at once; never rejects. */
export async function checkHealth(services: KeyServices, rings: Keyrings): Promise<Health> {
  const checks = [
    ...(await Promise.all(services.calls.names.map((name) => checkProvider(services, name)))),
    await checkStore(services),
    checkPolicy(services),
    ...rings.loaded.map((ring) => checkKeyring(services, rings, ring)),
  ]
  const worst = checks.map((check) => check.state).sort((a, b) => RANK[b] - RANK[a])[0] ?? 'ok'
  return { state: worst, checks }
}

async function checkProvider(services: KeyServices, name: string): Promise<HealthCheck> {
  const base = { component: 'provider', name } as const
  try {
    const master = await services.calls.describe(name)
    const warnings = master.warnings ?? []
    const enabled = master.state === 'enabled'
    const notes = [`master key ${master.id} version ${master.version} is ${master.state}`, ...warnings]
    const state = !enabled ? 'failed' : warnings.length > 0 ? 'degraded' : 'ok'
    return { ...base, state, notes, ...age(services, services.calls.counters(name).lastSuccessAt) }
  } catch (error) {
    return { ...base, ...failure(error), ...age(services, services.calls.counters(name).lastSuccessAt) }
  }
}

async function checkStore(services: KeyServices): Promise<HealthCheck> {
  try {
    const { location, warnings } = await services.store.describe()
    await services.store.list({ limit: 1 })
    const state = warnings.length > 0 ? 'degraded' : 'ok'
    return { component: 'store', name: location, state, notes: warnings, lastSuccessAgeMs: 0 }
  } catch (error) {
    return { component: 'store', name: 'store', ...failure(error) }
  }
}

/** Names of providers were checked when the policy was taken; what can still be wrong is what it allows. */
function checkPolicy(services: KeyServices): HealthCheck {
  const notes = Object.entries(services.policy.keyTypes)
    .filter(([, type]) => !type.rotation.auto && Number.isFinite(type.rotation.ageMs))
    .map(([name]) => `${name}: automatic rotation is off`)
  return {
    component: 'policy',
    name: services.policy.performanceMode,
    state: 'ok',
    notes,
    lastSuccessAgeMs: 0,
  }
}

function checkKeyring(services: KeyServices, rings: Keyrings, ring: Keyring): HealthCheck {
  const now = services.clock.now()
  const base = { component: 'keyring', name: ring.name, ...age(services, ring.records.readAt) } as const
  const failed = rings.failures.get(ring.name)
  if (!Number.isFinite(ring.records.readAt)) {
    // A field was made and not used yet: nobody misses its keys.
    return failed === undefined
      ? { ...base, state: 'ok', notes: ['not loaded yet'] }
      : { ...base, ...failure(failed) }
  }
  if (now >= ring.records.staleAt()) {
    return {
      ...base,
      ...failure(failed),
      state: 'failed',
      notes: ['not read for longer than the policy allows'],
    }
  }
  const view = ring.records.at(now)
  if (view.records.length === 0) return { ...base, state: 'ok', notes: ['it has no keys yet'] }
  if (view.current === undefined)
    return { ...base, state: 'degraded', notes: ['it has no key that encrypts'] }
  const info = keyInfo(services, view, view.current)
  const notes = [`key ${info.id} version ${info.version} is ${info.state}`]
  if (info.overdue) notes.push(`rotation is overdue (${info.dueReasons.join(', ')})`)
  if (failed !== undefined) notes.push(`maintenance fails: ${failed.message}`)
  if (info.state !== 'active') return { ...base, state: 'failed', notes }
  return { ...base, state: notes.length > 1 ? 'degraded' : 'ok', notes }
}

function failure(error: unknown): Pick<HealthCheck, 'state' | 'notes' | 'code'> {
  if (!(error instanceof KeywrightError)) return { state: 'failed', notes: ['an unexpected failure'] }
  const notes = error.hint === undefined ? [error.message] : [error.message, error.hint]
  return { state: 'failed', notes, code: error.code }
}

function age(services: KeyServices, at: number | undefined): Pick<HealthCheck, 'lastSuccessAgeMs'> {
  if (at === undefined || !Number.isFinite(at)) return {}
  return { lastSuccessAgeMs: Math.max(0, services.clock.now() - at) }
}
