/** From the options of the command line to an open Keywright. What opens it is loaded here, not before. */
import { userInfo } from 'node:os'
import { type Clock, systemClock } from '../clock.ts'
import type { Configuration, OpenOptions } from '../compose.ts'
import { rootSecretVariables } from '../config/environment.ts'
import { KeywrightError } from '../errors.ts'
import type { ProviderCalls } from '../keys/provider-calls.ts'
import type { Keywright } from '../keywright.ts'
import type { Policy } from '../policy/policy.ts'
import type { Call } from './call.ts'

/** The program's clock. */
export function clockOf({ io }: Pick<Call, 'io'>): Clock {
  return { ...systemClock, now: io.now }
}

/** Who acts, for the audit log: the user of the operating system. */
export function actor(): string {
  try {
    return `cli:${userInfo().username}`
  } catch {
    return 'cli' // a user id without a name, as in containers
  }
}

/** The options that every command takes, as `open` takes them. */
export function openOptions(call: Call): OpenOptions {
  const { global, io } = call
  const given = {
    config: global.text('config'),
    backend: global.text('backend'),
    path: global.text('keyPath'),
    storeUrl: global.text('store'),
    audit: global.text('audit') === 'off' ? (false as const) : global.text('audit'),
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(set), environment: io.env, clock: clockOf(call), actor: actor() }
}

/** Opens, uses and closes. Warns when it turns out that the master key lies in clear. */
export async function withKeywright<T>(call: Call, use: (keywright: Keywright) => Promise<T>): Promise<T> {
  const { BACKENDS, open } = await import('../compose.ts')
  const keywright = await open(openOptions(call))
  try {
    const result = await use(keywright)
    // Only these may keep it in clear; the others need not be asked once more by every command.
    const mayBeClear = Object.values(keywright.policy.providers).some(
      ({ type }) => BACKENDS[type]?.usesRootSecret === true,
    )
    if (mayBeClear && rootSecretVariables(call.io.env).length === 0) await warnOfClear(call, keywright)
    return result
  } finally {
    await keywright.close()
  }
}

async function warnOfClear({ output }: Call, keywright: Keywright): Promise<void> {
  const { checks } = await keywright.check()
  const degraded = checks.filter(({ component, state }) => component === 'provider' && state === 'degraded')
  for (const note of degraded.flatMap(({ notes }) => notes.slice(1))) await output.warn(note)
}

/** Everything decided, nothing opened. */
export async function configuration(call: Call): Promise<Configuration> {
  const { configure } = await import('../compose.ts')
  return configure(openOptions(call))
}

/** The providers alone. */
export async function withProviders<T>(call: Call, use: (calls: ProviderCalls) => Promise<T>): Promise<T> {
  const { openProviders } = await import('../compose.ts')
  const { ProviderCalls } = await import('../keys/provider-calls.ts')
  const providers = await openProviders(await configuration(call), false)
  const calls = new ProviderCalls({ providers, now: call.io.now })
  try {
    return await use(calls)
  } finally {
    await calls.close()
  }
}

/** The policy in force; the default one where no backend is configured yet. */
export async function policyInForce(call: Call): Promise<Policy> {
  try {
    return (await configuration(call)).policy
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_BACKEND_MISSING') throw error
    await call.output.note('no backend is configured: this is the default policy')
    return (await import('../policy/resolve.ts')).defaultPolicy()
  }
}
