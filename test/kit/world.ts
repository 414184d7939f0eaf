/** Everything outside a process: one clock, one provider, one store; and processes that come and go. */

import type { DataPlace } from '../../src/jobs/places.ts'
import type { ResilienceOptions } from '../../src/resilience/options.ts'
import { FakeClock, type ProcessClock } from './clock.ts'
import { type AuditSink, defaultPolicy, type KeyTypePolicy, Keywright, type Policy } from './library.ts'
import { TestProvider } from './provider.ts'
import { TestStore } from './store.ts'

type DeepPartial<T> = { readonly [K in keyof T]?: T[K] extends object ? DeepPartial<T[K]> : T[K] }

export interface PolicyChanges {
  readonly mode?: Policy['performanceMode']
  /** Laid over the default policy of each key type named. A name that is none becomes a key type like `pii`. */
  readonly [keyType: string]: DeepPartial<KeyTypePolicy> | Policy['performanceMode'] | undefined
}

/** The default policy under the provider `memory`, with changes. */
export function policyWith(changes: PolicyChanges = {}, provider = 'memory'): Policy {
  const { mode, ...types } = changes
  const base = defaultPolicy({ provider, ...(mode === undefined ? {} : { performanceMode: mode }) })
  const keyTypes: Record<string, KeyTypePolicy> = { ...base.keyTypes }
  for (const [name, change] of Object.entries(types)) {
    const from = (keyTypes[name] ?? keyTypes['pii']) as KeyTypePolicy
    const members = change as DeepPartial<KeyTypePolicy>
    keyTypes[name] = {
      ...from,
      ...members,
      furtherProviders: (members.furtherProviders as readonly string[] | undefined) ?? from.furtherProviders,
      rotation: { ...from.rotation, ...members.rotation },
      cache: { ...from.cache, ...members.cache },
    }
  }
  return { ...base, keyTypes }
}

export interface WorldParts {
  readonly policy?: Policy
  readonly store?: TestStore
  readonly provider?: TestProvider
  readonly audit?: AuditSink
  readonly clock?: FakeClock
}

/** Every failure reaches the caller as it came, so that a test says when the provider is up again. */
const BARE: ResilienceOptions = { attempts: 1, breakAfter: 1_000_000, rememberFailureMs: 0 }

export interface ProcessOptions {
  readonly resilience?: ResilienceOptions
  readonly policy?: Policy
  readonly skewMs?: number
  readonly providers?: readonly TestProvider[]
  readonly providerTimeoutMs?: number
  readonly places?: readonly DataPlace[]
}

export class World {
  readonly clock: FakeClock
  readonly provider: TestProvider
  readonly store: TestStore
  readonly policy: Policy
  readonly #audit: AuditSink | undefined
  readonly #running = new Map<Keywright, ProcessClock>()

  constructor(parts: WorldParts = {}) {
    this.clock = parts.clock ?? new FakeClock()
    this.provider = parts.provider ?? new TestProvider()
    this.store = parts.store ?? new TestStore()
    this.policy = parts.policy ?? policyWith()
    this.#audit = parts.audit
  }

  /** A process: a Keywright of its own on the provider and store of all. */
  open(options: ProcessOptions = {}): Keywright {
    const clock = this.clock.forProcess(options.skewMs)
    const others = options.providers ?? []
    const keywright = new Keywright({
      provider: [this.provider, ...others].map((provider) => provider.client()),
      store: this.store.client(),
      policy: options.policy ?? this.policy,
      clock,
      providerTimeoutMs: options.providerTimeoutMs ?? 5_000,
      resilience: options.resilience ?? BARE,
      ...(options.places === undefined ? {} : { places: options.places }),
      ...(this.#audit === undefined ? {} : { audit: this.#audit }),
    })
    this.#running.set(keywright, clock)
    return keywright
  }

  /** The process ends without a word: no lease is given back. */
  crash(keywright: Keywright): void {
    this.#running.get(keywright)?.kill()
    this.#running.delete(keywright)
  }

  /** Closes what still runs. */
  async end(): Promise<void> {
    for (const [keywright, clock] of this.#running) {
      await keywright.close()
      clock.kill()
    }
    this.#running.clear()
  }
}
