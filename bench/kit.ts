/**
 * Measuring several things against each other: in one process, in turns, so that whatever else the machine does
 * meets all of them. What counts is the ratio of medians; the spread is printed beside it.
 */

/** One thing to measure: `run` is called `batch` times a turn. */
export interface Contender {
  readonly name: string
  readonly run: () => unknown
  /** Calls a turn. @default what takes about 20 ms */
  readonly batch?: number
}

export interface Measured {
  readonly name: string
  /** Median over the turns, nanoseconds a call. */
  readonly ns: number
  /** First and third quartile. */
  readonly low: number
  readonly high: number
}

const TURN_NS = 20_000_000

/** Runs everything in turns; the order changes every round. */
export async function interleave(contenders: readonly Contender[], rounds = 41): Promise<Measured[]> {
  const batches = new Map<Contender, number>()
  for (const contender of contenders) batches.set(contender, contender.batch ?? (await calibrate(contender)))
  const samples = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++) {
    const order = contenders.map((_, index) => contenders[(index + round) % contenders.length] as Contender)
    for (const contender of order) {
      samples.get(contender)?.push(await turn(contender, batches.get(contender) ?? 1))
    }
  }
  return contenders.map((contender) => summary(contender.name, samples.get(contender) ?? []))
}

async function calibrate(contender: Contender): Promise<number> {
  let batch = 1
  for (;;) {
    const ns = (await turn(contender, batch)) * batch
    if (ns > TURN_NS / 4) return Math.max(1, Math.round((batch * TURN_NS) / ns))
    batch *= 4
  }
}

/** Nanoseconds a call. A result that is a promise is awaited, each on its own. */
async function turn({ run }: Contender, batch: number): Promise<number> {
  const first = run()
  const isAsync = first instanceof Promise
  if (isAsync) await first
  const started = process.hrtime.bigint()
  if (isAsync) for (let call = 0; call < batch; call++) await run()
  else for (let call = 0; call < batch; call++) run()
  return Number(process.hrtime.bigint() - started) / batch
}

function summary(name: string, samples: number[]): Measured {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
  return { name, ns: at(0.5), low: at(0.25), high: at(0.75) }
}

/** How many times as fast as `limit`: 1 is equal, 0.9 takes a ninth longer. */
export const ratio = (limit: Measured, ours: Measured): number => limit.ns / ours.ns

/** A table: name, time a call, quartiles, ratio to the first one, and the goal where there is one. */
export function printTable(
  title: string,
  measured: readonly Measured[],
  goals: Readonly<Record<string, string>> = {},
): void {
  const [limit] = measured
  if (limit === undefined) return
  console.log(`\n${title}`)
  for (const one of measured) {
    const us = (ns: number): string => (ns / 1000).toFixed(ns < 100_000 ? 2 : 0)
    const goal = goals[one.name] === undefined ? '' : `   goal ${goals[one.name]}`
    console.log(
      `  ${one.name.padEnd(34)} ${us(one.ns).padStart(9)} µs  (${us(one.low)}–${us(one.high)})  ` +
        `${ratio(limit, one).toPrecision(ratio(limit, one) < 0.1 ? 1 : 2)} ×${goal}`,
    )
  }
}
