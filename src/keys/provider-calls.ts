/**
 * Every call of a provider goes through here: routing by name, deadline, retries and circuit breaker, one wrapping of
 * errors, the digest that binds a payload to its context under every provider, counters and telemetry.
 */
import { createHash, hash } from 'node:crypto'
import { equalBytes, wipe } from '../crypto/bytes.ts'
import { KeywrightError } from '../errors.ts'
import { isProviderName } from '../policy/names.ts'
import type {
  CallOptions,
  KeyProvider,
  MasterKeyDescription,
  ProviderOperation,
  WrapContext,
  WrappedKey,
} from '../provider.ts'
import { ProviderGuard } from '../resilience/guard.ts'
import { type ResilienceOptions, resilienceOf } from '../resilience/options.ts'
import { callTelemetry } from '../telemetry/calls.ts'
import { withDeadline } from './deadline.ts'
import { wrapProviderError } from './provider-failure.ts'

const DIGEST_BYTES = 32
const DEFAULT_TIMEOUT_MS = 10_000

/** How many calls were made of each provider, and when one last succeeded. */
export interface ProviderCounters {
  readonly wraps: number
  readonly unwraps: number
  readonly failures: number
  /** Tries after the first one of a call. */
  readonly retries: number
  /** Calls that never reached the provider: circuit open, too many at once, the same failure a moment ago. */
  readonly refused: number
  /** Milliseconds since the epoch; undefined before the first success. */
  readonly lastSuccessAt: number | undefined
}

/** A provider with what belongs to it. */
interface Link {
  readonly provider: KeyProvider
  readonly guard: ProviderGuard
  readonly counters: { wraps: number; unwraps: number; failures: number; lastSuccessAt: number | undefined }
  /** Somebody asks whether it is back. */
  isProbed: boolean
}

export interface ProviderCallsOptions {
  readonly providers: readonly KeyProvider[]
  /** Deadline of one call in ms. @default 10_000 */
  readonly timeoutMs?: number | undefined
  readonly resilience?: ResilienceOptions | undefined
  readonly now: () => number
}

export class ProviderCalls {
  readonly #links: ReadonlyMap<string, Link>
  readonly #timeoutMs: number
  readonly #now: () => number

  constructor(options: ProviderCallsOptions) {
    const links = new Map<string, Link>()
    const resilience = resilienceOf(options.resilience)
    for (const provider of options.providers) {
      if (links.has(provider.name)) {
        throw new KeywrightError('ERR_CONFIG_INVALID', `two providers are named "${provider.name}"`, {
          hint: 'give each provider instance a name of its own',
        })
      }
      const guard = new ProviderGuard(provider.name, resilience, options.now)
      const counters = { wraps: 0, unwraps: 0, failures: 0, lastSuccessAt: undefined }
      links.set(provider.name, { provider, guard, counters, isProbed: false })
    }
    this.#links = links
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#now = options.now
  }

  get names(): readonly string[] {
    return [...this.#links.keys()]
  }

  /** Throws ERR_PROVIDER_UNKNOWN. */
  get(name: string): KeyProvider {
    return this.#link(name).provider
  }

  /** The provider was down so often that calls fail at once, and no call has found it back yet. */
  isDown(name: string): boolean {
    return this.#links.get(name)?.guard.isOpen === true
  }

  /** Asks a provider that is down whether it is back, for whoever did without it. One question at a time. */
  probe(name: string): void {
    const link = this.#links.get(name)
    if (link === undefined || link.isProbed || !link.guard.isOpen) return
    link.isProbed = true
    this.describe(name)
      .catch(() => undefined)
      .finally(() => {
        link.isProbed = false
      })
  }

  counters(name: string): ProviderCounters {
    const { counters, guard } = this.#link(name)
    return { ...counters, ...guard.counters }
  }

  /** Wraps `payload || SHA-256(context)`. `payload` stays the caller's. */
  async wrap(name: string, payload: Uint8Array, context: WrapContext): Promise<WrappedKey> {
    const link = this.#link(name)
    const bound = Buffer.concat([payload, digestOf(context)])
    link.counters.wraps++
    try {
      // What a wrap fails for does not depend on what is wrapped.
      const wrapped = await this.#call(link, 'wrap', noInput, (options) =>
        link.provider.wrapKey(bound, context, options),
      )
      return { ...wrapped, provider: name }
    } finally {
      wipe(bound)
    }
  }

  /** The payload, after its digest was compared. The caller wipes it. */
  async unwrap(wrapped: WrappedKey, context: WrapContext): Promise<Buffer> {
    const link = this.#link(wrapped.provider)
    link.counters.unwraps++
    const bound = await this.#call(
      link,
      'unwrap',
      () => inputOf(wrapped, context),
      (options) => link.provider.unwrapKey(wrapped, context, options),
    )
    try {
      const digestAt = bound.length - DIGEST_BYTES
      if (digestAt < 0 || !equalBytes(bound.subarray(digestAt), digestOf(context))) {
        throw new KeywrightError('ERR_UNWRAP_FAILED', `${wrapped.provider} could not unwrap the key`, {
          hint: 'the wrapped key was changed, or it belongs to another key',
        })
      }
      return Buffer.from(bound.subarray(0, digestAt))
    } finally {
      wipe(bound)
    }
  }

  /** A wrap renewed inside the service; undefined where the service cannot do that. */
  async rewrap(wrapped: WrappedKey, context: WrapContext): Promise<WrappedKey | undefined> {
    const link = this.#link(wrapped.provider)
    const rewrapKey = link.provider.rewrapKey?.bind(link.provider)
    if (rewrapKey === undefined) return undefined
    link.counters.wraps++
    const renewed = await this.#call(
      link,
      'rewrap',
      () => inputOf(wrapped, context),
      (options) => rewrapKey(wrapped, context, options),
    )
    return { ...renewed, provider: wrapped.provider }
  }

  async describe(name: string): Promise<MasterKeyDescription> {
    const link = this.#link(name)
    return this.#call(link, 'describe', noInput, (options) => link.provider.describeMasterKey(options))
  }

  /** Throws ERR_PROVIDER_FAILED where the provider cannot. */
  async rotateMasterKey(name: string): Promise<MasterKeyDescription> {
    const link = this.#link(name)
    const rotate = link.provider.rotateMasterKey?.bind(link.provider)
    if (rotate === undefined) {
      throw new KeywrightError('ERR_PROVIDER_FAILED', `${name} does not rotate its master key on request`, {
        hint: 'rotate it in the service, then run rewrap',
      })
    }
    return this.#call(link, 'rotate', noInput, rotate)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map(({ provider }) => provider.close?.()))
  }

  #link(name: string): Link {
    const link = this.#links.get(name)
    if (link !== undefined) return link
    const shown = isProviderName(name) ? `named "${name}"` : 'of that name' // it may be anything, a secret too
    throw new KeywrightError('ERR_PROVIDER_UNKNOWN', `no provider ${shown} is configured`, {
      hint: `configured: ${this.names.join(', ') || 'none'}; add it under "providers" of the policy document`,
    })
  }

  /** One call within its deadline. `input` tells calls of one operation apart. */
  async #call<T>(
    link: Link,
    operation: ProviderOperation,
    input: () => string,
    run: (options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const { provider, counters, guard } = link
    const telemetry = await callTelemetry()
    const fail = (error: unknown): never => {
      throw wrapProviderError(provider, error)
    }
    const guarded = (): Promise<T> =>
      withDeadline(this.#timeoutMs, ({ bounded, signal }) =>
        guard.run({
          id: () => `${operation} ${input()}`,
          repeatable: operation !== 'rotate',
          signal,
          attempt: () => bounded(run({ signal })).catch(fail),
        }),
      ).catch(fail)
    try {
      const result = await (telemetry?.record(provider.name, operation, guarded) ?? guarded())
      counters.lastSuccessAt = this.#now()
      return result
    } catch (error) {
      counters.failures++
      throw error
    }
  }
}

/** Where a failure does not hang on what is wrapped or asked for. */
const noInput = (): string => ''

/** Tells one wrap under one context from all others. */
function inputOf(wrapped: WrappedKey, context: WrapContext): string {
  return createHash('sha256')
    .update(`${wrapped.masterKeyId}\n${wrapped.masterKeyVersion}\n${wrapped.algorithm}\n`)
    .update(wrapped.ciphertext)
    .update(context.bytes)
    .digest('base64url')
}

function digestOf(context: WrapContext): Buffer {
  return hash('sha256', context.bytes, 'buffer')
}
