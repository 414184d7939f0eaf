/** Failures that do not pass by themselves, remembered for a moment: a fleet in a loop must not storm its service. */
import type { ErrorCode, KeywrightError } from '../errors.ts'

const LARGEST = 1000

/** What asking again at once would not change. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  'ERR_PROVIDER_DENIED',
  'ERR_PROVIDER_UNAUTHENTICATED',
  'ERR_MASTER_KEY_NOT_FOUND',
  'ERR_MASTER_KEY_DISABLED',
  'ERR_MASTER_KEY_DELETED',
  'ERR_MASTER_KEY_UNSUITABLE',
  'ERR_UNWRAP_FAILED',
])

interface Remembered {
  readonly error: KeywrightError
  readonly until: number
}

export class RememberedFailures {
  readonly #failures = new Map<string, Remembered>()
  readonly #forMs: number
  readonly #now: () => number

  constructor(forMs: number, now: () => number) {
    this.#forMs = forMs
    this.#now = now
  }

  get isEmpty(): boolean {
    return this.#failures.size === 0
  }

  /** The failure of the same call a moment ago. */
  find(call: string): KeywrightError | undefined {
    const found = this.#failures.get(call)
    if (found === undefined) return undefined
    if (this.#now() < found.until) return found.error
    this.#failures.delete(call)
    return undefined
  }

  /** Keeps `error` if it is of the kind that does not pass. */
  remember(call: () => string, error: KeywrightError): void {
    if (this.#forMs === 0 || !PERMANENT.has(error.code)) return
    if (this.#failures.size >= LARGEST) this.#failures.clear()
    this.#failures.set(call(), { error, until: this.#now() + this.#forMs })
  }
}
