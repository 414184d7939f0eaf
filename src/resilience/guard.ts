/**
 * What stands around every call of one provider: a limit of calls at once, retries with jitter, a circuit breaker,
 * and a short memory of failures that do not pass. Built on cockatiel, which is loaded with the first call.
 */
import type { CircuitBreakerPolicy, IPolicy } from 'cockatiel'
import { type ErrorCode, KeywrightError } from '../errors.ts'
import { isSoon, patient } from './backoff.ts'
import type { ResilienceOptions } from './options.ts'
import { RememberedFailures } from './remembered.ts'

/** The service is down or out of reach. Throttling is not: it answers. */
const DOWN: ReadonlySet<ErrorCode> = new Set([
  'ERR_PROVIDER_UNAVAILABLE',
  'ERR_PROVIDER_TIMEOUT',
  'ERR_PROVIDER_SEALED',
  'ERR_PROVIDER_STANDBY',
])

/** May pass within the deadline. A hanging call has used it up. */
const RETRIED: ReadonlySet<ErrorCode> = new Set([
  'ERR_PROVIDER_UNAVAILABLE',
  'ERR_PROVIDER_THROTTLED',
  'ERR_PROVIDER_STANDBY',
  'ERR_PROVIDER_CORRUPTED',
])

/** States of a circuit, as cockatiel numbers them (its enum would have to be loaded). */
const CLOSED = 0
const HALF_OPEN = 2

/** One call of a provider. */
export interface GuardedCall<T> {
  /** Names operation and input: the same failing call is not repeated at once. Asked for only when one failed. */
  readonly id: () => string
  /** Whether doing it twice is harmless. */
  readonly repeatable: boolean
  readonly signal: AbortSignal
  /** Rejects with a KeywrightError. */
  readonly attempt: () => Promise<T>
}

/** What happened to calls beside the calls themselves. */
export interface GuardCounters {
  /** Tries after the first one. */
  retries: number
  /** Calls that never reached the provider: circuit open, too many at once, the same failure a moment ago. */
  refused: number
}

interface Policies {
  readonly once: IPolicy
  readonly repeated: IPolicy
  readonly breaker: CircuitBreakerPolicy
  /** The refusals of the policies as errors of ours. */
  readonly refusal: (error: unknown) => KeywrightError | undefined
}

const codeIn =
  (codes: ReadonlySet<ErrorCode>) =>
  (error: unknown): boolean =>
    error instanceof KeywrightError && codes.has(error.code)

export class ProviderGuard {
  readonly counters: GuardCounters = { retries: 0, refused: 0 }
  readonly #name: string
  readonly #options: Required<ResilienceOptions>
  readonly #failures: RememberedFailures
  #policies: Promise<Policies> | undefined
  #breaker: CircuitBreakerPolicy | undefined

  constructor(name: string, options: Required<ResilienceOptions>, now: () => number) {
    this.#name = name
    this.#options = options
    this.#failures = new RememberedFailures(options.rememberFailureMs, now)
  }

  /** The provider was down so often that calls fail at once, and no call has found it back yet. */
  get isOpen(): boolean {
    return this.#breaker !== undefined && this.#breaker.state !== CLOSED
  }

  /** Runs a call under all of it. Throws what the last try threw, ERR_PROVIDER_CIRCUIT_OPEN or ERR_PROVIDER_BUSY. */
  async run<T>(call: GuardedCall<T>): Promise<T> {
    const known = this.#failures.isEmpty ? undefined : this.#failures.find(call.id())
    if (known !== undefined) {
      this.counters.refused++
      throw known
    }
    this.#policies ??= this.#build()
    const { once, repeated, refusal } = await this.#policies
    if (this.#breaker?.state === HALF_OPEN) {
      // One call tries whether the provider is back. It may hang: nobody else waits for that.
      this.counters.refused++
      throw circuitOpen(this.#name, this.#options.breakMs)
    }
    try {
      return await (call.repeatable ? repeated : once).execute(call.attempt, call.signal)
    } catch (error) {
      if (error instanceof KeywrightError) this.#failures.remember(call.id, error)
      const refused = refusal(error)
      if (refused === undefined) throw error
      this.counters.refused++
      throw refused
    }
  }

  async #build(): Promise<Policies> {
    const lib = await import('cockatiel')
    const { attempts, retryDelayMs, concurrency, queue, breakAfter, breakMs } = this.#options
    const bulkhead = lib.bulkhead(concurrency, queue)
    const breaker = lib.circuitBreaker(lib.handleWhen(codeIn(DOWN)), {
      halfOpenAfter: breakMs,
      breaker: new lib.ConsecutiveBreaker(breakAfter),
    })
    const jitter = new lib.ExponentialBackoff({ initialDelay: retryDelayMs, maxDelay: retryDelayMs * 20 })
    const mayPassSoon = (error: unknown): boolean => codeIn(RETRIED)(error) && isSoon(error)
    const retry = lib.retry(lib.handleWhen(mayPassSoon), {
      maxAttempts: attempts - 1,
      backoff: patient(jitter),
    })
    retry.onRetry(() => {
      this.counters.retries++
    })
    this.#breaker = breaker
    const once = lib.wrap(bulkhead, breaker)
    // The breaker counts calls that failed in spite of their retries: when one connection breaks, many fail at once.
    const repeated = lib.wrap(bulkhead, breaker, retry)
    const refusal = (error: unknown): KeywrightError | undefined => {
      if (lib.isBrokenCircuitError(error)) return circuitOpen(this.#name, breakMs)
      if (lib.isBulkheadRejectedError(error)) return busy(this.#name, concurrency)
      return undefined
    }
    return { once, repeated, breaker, refusal }
  }
}

function circuitOpen(name: string, breakMs: number): KeywrightError {
  const what = `${name} failed so often in a row that it is left alone for a moment`
  return new KeywrightError('ERR_PROVIDER_CIRCUIT_OPEN', what, {
    hint: `it is asked again after ${breakMs / 1000} s; \`keywright doctor\` tells what is wrong with it`,
    details: { provider: name },
  })
}

function busy(name: string, concurrency: number): KeywrightError {
  return new KeywrightError('ERR_PROVIDER_BUSY', `too many calls of ${name} are waiting`, {
    hint: `${concurrency} run at once (resilience.concurrency); load keyrings with ready() before the traffic comes`,
    details: { provider: name },
  })
}
