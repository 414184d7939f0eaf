/** When which fault strikes: the rules of a plan, counted and drawn. */
import type { Clock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import type { ProviderOperation } from '../provider.ts'
import { type Random, seededRandom } from './random.ts'

/**
 * What goes wrong with a call:
 * - `latency`: it takes longer, by `ms`;
 * - `hanging`: it never ends but by its signal, or when the provider is closed;
 * - `throttled`, `unavailable`: it fails with ERR_PROVIDER_THROTTLED or ERR_PROVIDER_UNAVAILABLE before it reaches the
 *   provider;
 * - `lost-reply`: the provider does it, but the caller gets ERR_PROVIDER_UNAVAILABLE;
 * - `stale-version`: the reply names the master key version before the newest one, as a replica that lags behind does;
 * - `corrupted`: the reply comes, but is not what the provider said: a bit of a ciphertext or key is flipped, a
 *   description is another master key's.
 *
 * When several strike one call, latencies add up and of the others the first in this list wins; `stale-version` and
 * `corrupted` go together.
 */
export type FaultKind =
  | 'latency'
  | 'hanging'
  | 'throttled'
  | 'unavailable'
  | 'lost-reply'
  | 'stale-version'
  | 'corrupted'

/** One kind of fault, and which calls it strikes. A call must fulfil every condition that is given. */
export interface FaultRule {
  readonly fault: FaultKind
  /** Of `latency`, which needs it: how long, in ms. */
  readonly ms?: number
  /** Of `latency`: drawn evenly between `ms` and this. @default ms */
  readonly upToMs?: number
  /** Operations it can strike. @default all, but not 'unwrap' for 'stale-version': its reply names no version */
  readonly on?: readonly ProviderOperation[]
  /** Time from which it can strike, in ms after the plan began. @default 0 */
  readonly fromMs?: number
  /** Time from which it cannot strike any more, in ms after the plan began. @default never */
  readonly untilMs?: number
  /** Spares so many calls first. @default 0 */
  readonly after?: number
  /** Strikes only every n-th call from then on: with 3 the third, sixth, … @default 1 */
  readonly every?: number
  /** Of the calls that fulfil the rest, the share that is struck, 0 to 1. Drawn by the seed of the plan. @default 1 */
  readonly probability?: number
  /** Strikes at most so many calls. @default without limit */
  readonly times?: number
}

/** The faults that strike one call: their kinds, and the latency in ms. */
export interface Strike {
  readonly kinds: ReadonlySet<FaultKind>
  readonly latencyMs: number
}

export const FAULT_KINDS: readonly FaultKind[] = [
  'latency',
  'hanging',
  'throttled',
  'unavailable',
  'lost-reply',
  'stale-version',
  'corrupted',
]
export const OPERATIONS: readonly ProviderOperation[] = ['wrap', 'unwrap', 'describe', 'rotate', 'rewrap']
const NAMING_A_VERSION = OPERATIONS.filter((operation) => operation !== 'unwrap')

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isTime = (value: unknown): boolean => Number.isFinite(value) && Number(value) >= 0
const isShare = (value: unknown): boolean => isTime(value) && Number(value) <= 1
const isPeriod = (value: unknown): boolean => isCount(value) && value !== 0
const isOperations = (value: unknown): boolean =>
  Array.isArray(value) && value.every((operation) => OPERATIONS.includes(operation))

/** Member of a rule → whether a value is one. */
const MEMBERS: Readonly<Record<keyof FaultRule, (value: unknown) => boolean>> = {
  fault: (value) => FAULT_KINDS.some((kind) => kind === value),
  ms: isTime,
  upToMs: isTime,
  on: isOperations,
  fromMs: isTime,
  untilMs: isTime,
  after: isCount,
  every: isPeriod,
  probability: isShare,
  times: isCount,
}

function invalid(place: number, what: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `rule ${place + 1} of the fault plan: ${what}`, {
    hint: `members of a rule: ${Object.keys(MEMBERS).join(', ')}; faults: ${FAULT_KINDS.join(', ')}`,
  })
}

function checkRule(rule: FaultRule, place: number): void {
  for (const [member, value] of Object.entries(rule)) {
    if (!Object.hasOwn(MEMBERS, member)) throw invalid(place, `there is no member "${member}"`)
    if (value !== undefined && !MEMBERS[member as keyof FaultRule](value)) {
      throw invalid(place, `"${member}" cannot be that`)
    }
  }
  if (rule.fault === undefined) throw invalid(place, 'it names no fault')
  const { fault, ms, on, upToMs } = rule
  const timed = ms !== undefined || upToMs !== undefined
  if (timed !== (fault === 'latency') || (timed && ms === undefined)) {
    throw invalid(place, '"ms" is what "latency" needs, and no other fault takes')
  }
  if (ms !== undefined && upToMs !== undefined && upToMs < ms) throw invalid(place, '"upToMs" is below "ms"')
  if (fault === 'stale-version' && on?.includes('unwrap')) {
    throw invalid(place, 'the reply to an unwrap names no version')
  }
}

/**
 * Rules in force. `strike` says for each call what happens to it.
 *
 * @throws KeywrightError ERR_ARGUMENT_INVALID for a rule that cannot be.
 */
export class FaultScript {
  readonly #rules: readonly { readonly rule: FaultRule; seen: number; struck: number }[]
  readonly #random: Random
  readonly #clock: Clock
  readonly #began: number

  constructor(rules: readonly FaultRule[], seed: number, clock: Clock) {
    for (const [place, rule] of rules.entries()) checkRule(rule, place)
    this.#rules = rules.map((rule) => ({ rule: structuredClone(rule), seen: 0, struck: 0 }))
    this.#random = seededRandom(seed)
    this.#clock = clock
    this.#began = clock.now()
  }

  /** What strikes the next call. Counts it. */
  strike(operation: ProviderOperation): Strike {
    const kinds = new Set<FaultKind>()
    let latencyMs = 0
    for (const state of this.#rules) {
      if (!this.#applies(state.rule, operation)) continue
      state.seen++
      if (!this.#strikes(state)) continue
      state.struck++
      kinds.add(state.rule.fault)
      const { ms = 0, upToMs = ms } = state.rule
      latencyMs += ms === upToMs ? ms : ms + this.#random() * (upToMs - ms)
    }
    return { kinds, latencyMs }
  }

  #applies(rule: FaultRule, operation: ProviderOperation): boolean {
    const { fault, fromMs = 0, on, untilMs = Number.POSITIVE_INFINITY } = rule
    const operations = on ?? (fault === 'stale-version' ? NAMING_A_VERSION : OPERATIONS)
    const elapsed = this.#clock.now() - this.#began
    return operations.includes(operation) && elapsed >= fromMs && elapsed < untilMs
  }

  #strikes({ rule, seen, struck }: { rule: FaultRule; seen: number; struck: number }): boolean {
    const { after = 0, every = 1, probability = 1, times = Number.POSITIVE_INFINITY } = rule
    if (seen <= after || (seen - after) % every !== 0 || struck >= times) return false
    return probability === 1 || this.#random() < probability
  }
}
