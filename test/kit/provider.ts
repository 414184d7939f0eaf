/** The memory provider behind a switchboard: it counts calls and can be down, hang, be slow or give back garbage. */
import { randomBytes } from 'node:crypto'
import memoryProvider from '../../providers/memory.ts'
import type { CallOptions, KeyProvider, WrappedKey } from '../../src/provider.ts'

/** What a client of a service that cannot be reached throws. It names an address, which no error may repeat. */
class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

export type ProviderMode = 'up' | 'down' | 'denied' | 'hang' | 'garbage'

export class TestProvider {
  readonly name: string
  mode: ProviderMode = 'up'
  wraps = 0
  unwraps = 0
  /** Runs before each call and may wait: for interleavings. */
  before: ((call: 'wrap' | 'unwrap' | 'describe') => Promise<void> | void) | undefined
  readonly #inner: KeyProvider

  constructor(name = 'memory', inner: KeyProvider = memoryProvider({ name })) {
    this.name = name
    this.#inner = inner
  }

  get calls(): number {
    return this.wraps + this.unwraps
  }

  resetCounts(): void {
    this.wraps = 0
    this.unwraps = 0
  }

  /** The provider as one process has it; closing it leaves the others theirs. */
  client(): KeyProvider {
    const inner = this.#inner
    const run = async <T>(
      call: 'wrap' | 'unwrap' | 'describe',
      options: CallOptions | undefined,
      work: () => Promise<T>,
    ): Promise<T> => {
      await this.before?.(call)
      if (this.mode === 'down') throw new Unreachable('connect ECONNREFUSED user:hunter2@10.0.0.1:443')
      if (this.mode === 'denied') throw new Unreachable('403 denied')
      if (this.mode === 'hang') await new Promise((_, reject) => waitForAbort(options, reject))
      return work()
    }
    return {
      name: this.name,
      capabilities: inner.capabilities,
      wrapKey: (key, context, options) => {
        this.wraps++
        return run('wrap', options, async () => this.#spoil(await inner.wrapKey(key, context, options)))
      },
      unwrapKey: (wrapped, context, options) => {
        this.unwraps++
        return run('unwrap', options, () => inner.unwrapKey(wrapped, context, options))
      },
      describeMasterKey: (options) => run('describe', options, () => inner.describeMasterKey(options)),
      rotateMasterKey: (options) =>
        run('describe', options, async () => {
          if (inner.rotateMasterKey === undefined) throw new Error('the inner provider does not rotate')
          return inner.rotateMasterKey(options)
        }),
      errorCode: (error) => {
        if (!(error instanceof Unreachable)) return inner.errorCode(error)
        return this.mode === 'denied' ? 'ERR_PROVIDER_DENIED' : 'ERR_PROVIDER_UNAVAILABLE'
      },
    }
  }

  /** In mode 'garbage' a wrap looks like one and opens to nothing. */
  #spoil(wrapped: WrappedKey): WrappedKey {
    if (this.mode !== 'garbage') return wrapped
    return { ...wrapped, ciphertext: randomBytes(wrapped.ciphertext.length) }
  }
}

/** Ignores the signal for ever when there is none. */
function waitForAbort(options: CallOptions | undefined, reject: (error: unknown) => void): void {
  options?.signal?.addEventListener('abort', () => reject(new Unreachable('aborted')), { once: true })
}
