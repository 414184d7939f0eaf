/**
 * A decorator that makes a provider fail as services do, by plan: for tests of what an application does then.
 *
 *     const clock = virtualClock()
 *     const provider = faultyProvider(memoryProvider(), {
 *       clock,
 *       rules: [
 *         { fault: 'latency', ms: 40, upToMs: 90 },
 *         { fault: 'throttled', on: ['wrap'], every: 3 }, // the third, sixth, … wrap
 *         { fault: 'unavailable', fromMs: 60_000, untilMs: 120_000 }, // for a minute, after a minute
 *         { fault: 'lost-reply', probability: 0.1 },
 *       ],
 *       seed: 7,
 *     })
 *     const wrapping = provider.wrapKey(key, context)
 *     await clock.advance(100)
 *     await wrapping
 *     provider.counters.faults.throttled // how many calls it struck
 */
import { type Clock, systemClock } from '../clock.ts'
import { KeywrightError, type ProviderErrorCode } from '../errors.ts'
import type {
  CallOptions,
  KeyProvider,
  MasterKeyDescription,
  ProviderOperation,
  WrappedKey,
} from '../provider.ts'
import { FAULT_KINDS, type FaultKind, type FaultRule, FaultScript, OPERATIONS } from './fault-plan.ts'

export type { FaultKind, FaultRule } from './fault-plan.ts'

/** What a faulty provider does. */
export interface FaultPlan {
  /** All that apply to a call strike it. */
  readonly rules: readonly FaultRule[]
  /** What latencies and the times of the rules are measured with. @default the machine's clock */
  readonly clock?: Clock
  /** The same seed draws the same faults for the same calls. A whole number. @default 1 */
  readonly seed?: number
}

/** What happened so far. */
export interface FaultCounters {
  /** Calls of the faulty provider. */
  readonly calls: Readonly<Record<ProviderOperation, number>>
  /** Of these, the calls that were passed on to the provider below. */
  readonly passed: Readonly<Record<ProviderOperation, number>>
  /** Calls struck by each kind of fault. */
  readonly faults: Readonly<Record<FaultKind, number>>
}

export interface FaultyProvider extends KeyProvider {
  /** A copy of the counters. */
  readonly counters: FaultCounters
  /** Puts other rules in force, from now on: their counts and times begin anew, as does the seed. */
  replaceRules(rules: readonly FaultRule[]): void
  /** Ends hanging calls with ERR_CLOSED, and closes the provider below. */
  close(): Promise<void>
}

/**
 * `provider` with faults. Without rules it behaves as `provider` does. Faults are KeywrightErrors with the code of a
 * provider that sorted its service's error. An aborted signal ends every wait with ERR_ABORTED (ERR_PROVIDER_TIMEOUT
 * for AbortSignal.timeout).
 *
 * @throws KeywrightError ERR_ARGUMENT_INVALID for a rule that cannot be.
 */
export function faultyProvider(provider: KeyProvider, plan: FaultPlan): FaultyProvider {
  const { clock = systemClock, seed = 1 } = plan
  const faults = new Faults(provider.name, clock, new FaultScript(plan.rules, seed, clock))
  const { capabilities, name } = provider
  const rotate = provider.rotateMasterKey?.bind(provider)
  const rewrap = provider.rewrapKey?.bind(provider)
  return {
    name,
    capabilities,
    wrapKey: (key, context, options) =>
      faults.call('wrap', options, () => provider.wrapKey(key, context, options)),
    unwrapKey: (wrapped, context, options) =>
      faults.call('unwrap', options, () => provider.unwrapKey(wrapped, context, options)),
    describeMasterKey: (options) =>
      faults.call('describe', options, () => provider.describeMasterKey(options)),
    errorCode: (error) => faults.codeOf(error) ?? provider.errorCode(error),
    ...(rotate && {
      rotateMasterKey: (options) => faults.call('rotate', options, () => rotate(options)),
    }),
    ...(rewrap && {
      rewrapKey: (wrapped, context, options) =>
        faults.call('rewrap', options, () => rewrap(wrapped, context, options)),
    }),
    get counters() {
      return faults.counters()
    },
    replaceRules(rules) {
      faults.script = new FaultScript(rules, seed, clock)
    },
    async close() {
      faults.close()
      await provider.close?.()
    },
  }
}

type Reply = WrappedKey | MasterKeyDescription | Uint8Array

const zeroes = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>

class Faults {
  script: FaultScript
  readonly #name: string
  readonly #clock: Clock
  readonly #counters = { calls: zeroes(OPERATIONS), passed: zeroes(OPERATIONS), faults: zeroes(FAULT_KINDS) }
  /** Errors made here, with their codes. */
  readonly #made = new WeakMap<object, ProviderErrorCode>()
  /** Rejects what waits for ever. */
  readonly #waiting = new Set<(error: Error) => void>()
  /** Master key versions that replies named, the newest last. */
  readonly #versions: string[] = []
  #closed = false

  constructor(name: string, clock: Clock, script: FaultScript) {
    this.#name = name
    this.#clock = clock
    this.script = script
  }

  async call<T extends Reply>(
    operation: ProviderOperation,
    options: CallOptions | undefined,
    pass: () => Promise<T>,
  ): Promise<T> {
    this.#counters.calls[operation]++
    const { kinds, latencyMs } = this.script.strike(operation)
    for (const kind of kinds) this.#counters.faults[kind]++
    if (kinds.has('latency')) await this.#wait(latencyMs, options?.signal)
    if (kinds.has('hanging')) await this.#wait(undefined, options?.signal)
    if (kinds.has('throttled')) throw this.#fault('ERR_PROVIDER_THROTTLED', 'too many requests')
    if (kinds.has('unavailable')) throw this.#fault('ERR_PROVIDER_UNAVAILABLE', 'cannot be reached')
    this.#counters.passed[operation]++
    const reply = await pass()
    this.#remember(reply)
    if (kinds.has('lost-reply')) {
      if (reply instanceof Uint8Array) reply.fill(0) // nobody else holds this key
      throw this.#fault('ERR_PROVIDER_UNAVAILABLE', 'the reply was lost')
    }
    const told = kinds.has('stale-version') ? this.#stale(reply) : reply
    return kinds.has('corrupted') ? corrupted(told) : told
  }

  codeOf(error: unknown): ProviderErrorCode | undefined {
    return typeof error === 'object' && error !== null ? this.#made.get(error) : undefined
  }

  counters(): FaultCounters {
    return structuredClone(this.#counters)
  }

  close(): void {
    this.#closed = true
    for (const reject of this.#waiting) reject(this.#closedError())
  }

  /** Waits `ms`, or for ever; until the signal aborts or the provider is closed. */
  async #wait(ms: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw this.#aborted(signal)
    if (this.#closed) throw this.#closedError()
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    const abort = (): void => reject(signal && this.#aborted(signal))
    const cancel = ms === undefined ? undefined : this.#clock.after(ms, resolve)
    signal?.addEventListener('abort', abort)
    this.#waiting.add(reject)
    try {
      await promise
    } finally {
      cancel?.()
      signal?.removeEventListener('abort', abort)
      this.#waiting.delete(reject)
    }
  }

  #aborted({ reason }: AbortSignal): KeywrightError {
    const late = reason instanceof Error && reason.name === 'TimeoutError'
    if (late) return this.#fault('ERR_PROVIDER_TIMEOUT', 'the call took too long')
    return this.#fault('ERR_ABORTED', 'the call was aborted')
  }

  #closedError(): KeywrightError {
    return new KeywrightError('ERR_CLOSED', `the provider "${this.#name}" is closed`)
  }

  #fault(code: ProviderErrorCode, what: string): KeywrightError {
    const error = new KeywrightError(code, `${this.#name}: ${what}`, {
      hint: 'the plan of faultyProvider says so',
    })
    this.#made.set(error, code)
    return error
  }

  #remember(reply: Reply): void {
    const version = versionOf(reply)
    if (version !== undefined && !this.#versions.includes(version)) this.#versions.push(version)
  }

  #stale<T extends Reply>(reply: T): T {
    const version = this.#versions.at(-2)
    if (version === undefined || reply instanceof Uint8Array) return reply
    return { ...reply, [isWrap(reply) ? 'masterKeyVersion' : 'version']: version }
  }
}

const isWrap = (reply: Reply): reply is WrappedKey => 'ciphertext' in reply

function versionOf(reply: Reply): string | undefined {
  if (reply instanceof Uint8Array) return undefined
  return isWrap(reply) ? reply.masterKeyVersion : reply.version
}

/** A bit of the last byte is flipped; the key is the caller's to wipe, so it stays the same array. */
function corrupted<T extends Reply>(reply: T): T {
  const flip = (bytes: Uint8Array): Uint8Array => {
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
    return bytes
  }
  if (reply instanceof Uint8Array) {
    flip(reply)
    return reply
  }
  if (isWrap(reply)) return { ...reply, ciphertext: flip(Uint8Array.from(reply.ciphertext)) }
  return { ...reply, id: `${reply.id}-of-another` }
}
