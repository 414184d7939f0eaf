/** `repair`. */
import { KeywrightError } from '../../errors.ts'
import type { RepairReport } from '../../jobs/repair.ts'
import type { Call } from '../call.ts'
import { jobOptionsOf, reportFile, selectionOf, warnOfFailures } from '../job-call.ts'
import { withKeywright } from '../opened.ts'
import { count } from '../text.ts'

export async function repair(call: Call): Promise<number> {
  const { options, output } = call
  const [prune, dryRun] = [options.flag('prune'), options.flag('dryRun')]
  const file = await reportFile(call)
  const work = withKeywright(call, async ({ jobs }) => {
    const report = await jobs.repair({ ...selectionOf(call), ...jobOptionsOf(call), prune, dryRun })
    await output.status('')
    await file.write(report)
    await output.result(report, describe(report))
    await warnOfFailures(call, report.keys)
    if (Object.keys(report.unwanted).length > 0 && !prune)
      await output.note('wraps that no policy wants stay; --prune removes them')
    if (report.outcome === 'incomplete') throw incomplete(report)
    return 0
  })
  return call.orderly(work)
}

function describe({ done, missing, outcome, unwanted }: RepairReport): string {
  const list = (counts: RepairReport['missing']): string =>
    Object.entries(counts)
      .map(([provider, number]) => `${provider} ${number.toLocaleString('en-US')}`)
      .join(', ') || 'none'
  const did =
    outcome === 'planned'
      ? ''
      : `${count(done.added, 'key')} repaired, ${count(done.removed, 'key')} pruned; `
  return `${outcome}: ${did}missing: ${list(missing)}; not wanted: ${list(unwanted)}\n`
}

function incomplete({ failed }: RepairReport): KeywrightError {
  return new KeywrightError(
    'ERR_JOB_INCOMPLETE',
    `wraps are still missing (${count(failed, 'key')} failed)`,
    {
      hint: 'every key opens as before; bring the providers back, then run repair again',
      details: { failed },
    },
  )
}
