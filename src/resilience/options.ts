/** How hard a provider is tried, and how much of it is asked at once. */
import { KeywrightError } from '../errors.ts'

/** The same for every provider. All of it happens within the deadline of one call. */
export interface ResilienceOptions {
  /** Tries of a call whose failure may pass (unreachable, throttled). 1: none but the first. @default 3 */
  readonly attempts?: number
  /** Pause before the second try, in ms; it doubles, with jitter. @default 100 */
  readonly retryDelayMs?: number
  /** Calls of one provider at once; the others wait. @default 32 */
  readonly concurrency?: number
  /** Waiting calls; what comes on top fails with ERR_PROVIDER_BUSY. @default 10_000 */
  readonly queue?: number
  /** Calls in a row that failed, in spite of their tries, because the provider is down; then calls fail at once. @default 10 */
  readonly breakAfter?: number
  /** How long they do, in ms, until one call tries again. @default 5_000 */
  readonly breakMs?: number
  /** For so many ms a failure that does not pass (denied, no such master key) answers the same call again. @default 1_000 */
  readonly rememberFailureMs?: number
}

const DEFAULT_RESILIENCE: Required<ResilienceOptions> = Object.freeze({
  attempts: 3,
  retryDelayMs: 100,
  concurrency: 32,
  queue: 10_000,
  breakAfter: 10,
  breakMs: 5000,
  rememberFailureMs: 1000,
})

const MAY_BE_ZERO: ReadonlySet<string> = new Set(['queue', 'rememberFailureMs', 'retryDelayMs'])

/** All options, with those that are not given. Throws ERR_CONFIG_INVALID. */
export function resilienceOf(options: ResilienceOptions = {}): Required<ResilienceOptions> {
  for (const [name, value] of Object.entries(options)) {
    const least = MAY_BE_ZERO.has(name) ? 0 : 1
    if (value === undefined || (Number.isSafeInteger(value) && value >= least)) continue
    throw new KeywrightError('ERR_CONFIG_INVALID', `resilience.${name} is no whole number from ${least} on`, {
      hint: `leave it out for ${DEFAULT_RESILIENCE[name as keyof ResilienceOptions] ?? 'the default'}`,
    })
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...DEFAULT_RESILIENCE, ...Object.fromEntries(given) }
}
