/**
 * Every call of a provider goes through here: routing by name, deadline, one wrapping of errors, the digest that
 * binds a payload to its context under every provider, and counters.
 */
import { createHash } from 'node:crypto'
import { equalBytes, wipe } from '../crypto/bytes.ts'
import { type ErrorCode, KeywrightError } from '../errors.ts'
import { isProviderName } from '../policy/names.ts'
import type { CallOptions, KeyProvider, MasterKeyDescription, WrapContext, WrappedKey } from '../provider.ts'

const DIGEST_BYTES = 32
const DEFAULT_TIMEOUT_MS = 10_000

/** How many calls were made of each provider, and when one last succeeded. */
export interface ProviderCounters {
  readonly wraps: number
  readonly unwraps: number
  readonly failures: number
  /** Milliseconds since the epoch; undefined before the first success. */
  readonly lastSuccessAt: number | undefined
}

class Counters implements ProviderCounters {
  wraps = 0
  unwraps = 0
  failures = 0
  lastSuccessAt: number | undefined = undefined
}

export interface ProviderCallsOptions {
  readonly providers: readonly KeyProvider[]
  /** Deadline of one call in ms. @default 10_000 */
  readonly timeoutMs?: number | undefined
  readonly now: () => number
}

export class ProviderCalls {
  readonly #providers: ReadonlyMap<string, KeyProvider>
  readonly #timeoutMs: number
  readonly #now: () => number
  readonly #counters = new Map<string, Counters>()

  constructor(options: ProviderCallsOptions) {
    const providers = new Map<string, KeyProvider>()
    for (const provider of options.providers) {
      if (providers.has(provider.name)) {
        throw new KeywrightError('ERR_CONFIG_INVALID', `two providers are named "${provider.name}"`, {
          hint: 'give each provider instance a name of its own',
        })
      }
      providers.set(provider.name, provider)
      this.#counters.set(provider.name, new Counters())
    }
    this.#providers = providers
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#now = options.now
  }

  get names(): readonly string[] {
    return [...this.#providers.keys()]
  }

  /** Throws ERR_PROVIDER_UNKNOWN. */
  get(name: string): KeyProvider {
    const provider = this.#providers.get(name)
    if (provider !== undefined) return provider
    const shown = isProviderName(name) ? `named "${name}"` : 'of that name' // it may be anything, a secret too
    throw new KeywrightError('ERR_PROVIDER_UNKNOWN', `no provider ${shown} is configured`, {
      hint: `configured: ${this.names.join(', ') || 'none'}; add it under "providers" of the policy document`,
    })
  }

  counters(name: string): ProviderCounters {
    return { ...this.#countersOf(this.get(name)) }
  }

  /** Wraps `payload || SHA-256(context)`. `payload` stays the caller's. */
  async wrap(name: string, payload: Uint8Array, context: WrapContext): Promise<WrappedKey> {
    const provider = this.get(name)
    const bound = Buffer.concat([payload, digestOf(context)])
    try {
      const wrapped = await this.#call(provider, 'wraps', (options) =>
        provider.wrapKey(bound, context, options),
      )
      return { ...wrapped, provider: provider.name }
    } finally {
      wipe(bound)
    }
  }

  /** The payload, after its digest was compared. The caller wipes it. */
  async unwrap(wrapped: WrappedKey, context: WrapContext): Promise<Buffer> {
    const provider = this.get(wrapped.provider)
    const bound = await this.#call(provider, 'unwraps', (options) =>
      provider.unwrapKey(wrapped, context, options),
    )
    try {
      const digestAt = bound.length - DIGEST_BYTES
      if (digestAt < 0 || !equalBytes(bound.subarray(digestAt), digestOf(context))) {
        throw new KeywrightError('ERR_UNWRAP_FAILED', `${provider.name} could not unwrap the key`, {
          hint: 'the wrapped key was changed, or it belongs to another key',
        })
      }
      return Buffer.from(bound.subarray(0, digestAt))
    } finally {
      wipe(bound)
    }
  }

  async describe(name: string): Promise<MasterKeyDescription> {
    const provider = this.get(name)
    return this.#call(provider, undefined, (options) => provider.describeMasterKey(options))
  }

  /** Throws ERR_PROVIDER_FAILED where the provider cannot. */
  async rotateMasterKey(name: string): Promise<MasterKeyDescription> {
    const provider = this.get(name)
    if (provider.rotateMasterKey === undefined) {
      throw new KeywrightError('ERR_PROVIDER_FAILED', `${name} does not rotate its master key on request`, {
        hint: 'rotate it in the service, then run rewrap',
      })
    }
    const rotate = provider.rotateMasterKey.bind(provider)
    return this.#call(provider, undefined, rotate)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#providers.values()].map((provider) => provider.close?.()))
  }

  #countersOf(provider: KeyProvider): Counters {
    const counters = this.#counters.get(provider.name) ?? new Counters()
    this.#counters.set(provider.name, counters)
    return counters
  }

  async #call<T>(
    provider: KeyProvider,
    counted: 'wraps' | 'unwraps' | undefined,
    run: (options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const counters = this.#countersOf(provider)
    if (counted !== undefined) counters[counted]++
    try {
      const result = await withDeadline(this.#timeoutMs, run)
      counters.lastSuccessAt = this.#now()
      return result
    } catch (error) {
      counters.failures++
      throw wrapProviderError(provider, error)
    }
  }
}

function digestOf(context: WrapContext): Buffer {
  return createHash('sha256').update(context.bytes).digest()
}

const timedOut = Symbol('timed out')

/** Aborts the call at the deadline and does not wait for a provider that ignores the signal. */
async function withDeadline<T>(ms: number, run: (options: CallOptions) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(timedOut)
      controller.abort()
    }, ms)
  })
  try {
    return await Promise.race([run({ signal: controller.signal }), deadline])
  } finally {
    clearTimeout(timer)
  }
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_ABORTED: 'the caller gave up; nothing was changed',
  ERR_PROVIDER_UNAVAILABLE: 'is the service reachable from here? then try again',
  ERR_PROVIDER_TIMEOUT: 'is the service reachable? a longer deadline is the option providerTimeoutMs',
  ERR_PROVIDER_THROTTLED: 'try again later; a longer cache ttl in the policy makes fewer calls',
  ERR_PROVIDER_UNAUTHENTICATED: 'check the credentials of this process',
  ERR_PROVIDER_DENIED:
    'this identity lacks a permission on the master key: the guide of the provider lists them',
  ERR_MASTER_KEY_NOT_FOUND:
    'does the configuration name the master key, region and project that wrapped this key?',
  ERR_MASTER_KEY_DISABLED: 'enable the master key in the service: without it no data key can be unwrapped',
  ERR_UNWRAP_FAILED: 'the wrapped key was changed, or it belongs to another key',
}

/** A client's error may hold request headers with tokens, so nothing of it is kept but its code. */
function wrapProviderError(provider: KeyProvider, error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  if (error === timedOut) {
    return new KeywrightError('ERR_PROVIDER_TIMEOUT', `${provider.name} did not answer in time`, {
      hint: 'is the service reachable? a longer deadline is the option providerTimeoutMs',
    })
  }
  const code = provider.errorCode(error)
  const name = error instanceof Error ? error.name : typeof error
  return new KeywrightError(code, `${provider.name} refused the call (${name})`, {
    hint: HINTS[code] ?? 'the log of the service tells more',
    details: { provider: provider.name },
  })
}
