/** A test runner that runs what a suite registers at once, and says what came of it. */
import type { RunningTest, TestRunner } from '../../../src/testing/index.ts'

export interface Outcome {
  readonly state: 'passed' | 'failed' | 'skipped'
  /** Why it failed or was skipped. */
  readonly reason?: string
  /** What was said beside the result. */
  readonly facts: readonly string[]
}

type Run = (test: RunningTest) => Promise<void>

async function outcomeOf(run: Run, clean: () => Promise<void>): Promise<Outcome> {
  const facts: string[] = []
  let skipped: string | undefined
  const test: RunningTest = {
    skip: (reason = '') => {
      skipped = reason
    },
    diagnostic: (message) => void facts.push(message),
  }
  try {
    try {
      await run(test)
    } finally {
      await clean()
    }
  } catch (error) {
    return { state: 'failed', reason: error instanceof Error ? error.message : String(error), facts }
  }
  return skipped === undefined ? { state: 'passed', facts } : { state: 'skipped', reason: skipped, facts }
}

/** Title → what came of it, of the suite that `register` runs with the runner it gets. */
export async function record(register: (runner: TestRunner) => void): Promise<Map<string, Outcome>> {
  const tests: [string, Run][] = []
  const cleanUps: (() => Promise<void>)[] = []
  register({
    describe: (_name, define) => define(),
    it: (title, run) => tests.push([title, run]),
    afterEach: (run) => cleanUps.push(run),
  })
  const outcomes = new Map<string, Outcome>()
  for (const [title, run] of tests) {
    const clean = async (): Promise<void> => {
      for (const cleanUp of cleanUps) await cleanUp()
    }
    outcomes.set(title, await outcomeOf(run, clean))
  }
  return outcomes
}

/** Titles of what failed, in order. */
export function failed(outcomes: ReadonlyMap<string, Outcome>): string[] {
  return [...outcomes].filter(([, { state }]) => state === 'failed').map(([title]) => title)
}
