/** `move`: its plan, the move itself and the way back. */
import { KeywrightError } from '../../errors.ts'
import type { MoveReport } from '../../jobs/move.ts'
import type { MoveCounts, MovePlan, MoveRequest } from '../../jobs/move-plan.ts'
import type { MoveStep } from '../../jobs/move-run.ts'
import type { RollbackReport } from '../../jobs/rollback.ts'
import type { Keywright } from '../../keywright.ts'
import { durationHint, formatDuration, readDuration } from '../../policy/duration.ts'
import { type Call, wrongUse } from '../call.ts'
import { jobOptionsOf, reportFile, selectionOf, warnOfFailures } from '../job-call.ts'
import { withKeywright } from '../opened.ts'
import { count, instant } from '../text.ts'

export async function move(call: Call): Promise<number> {
  const { options } = call
  const request = requestOf(call)
  if (options.flag('rollback') && (options.text('step') ?? options.text('window')) !== undefined) {
    throw wrongUse('--rollback takes neither --step nor --window', 'it goes back all the way, at once')
  }
  const work = withKeywright(call, (keywright) => {
    if (options.flag('dryRun')) return tellPlan(call, keywright, request)
    return options.flag('rollback') ? rollBack(call, keywright, request) : run(call, keywright, request)
  })
  return call.orderly(work)
}

function requestOf(call: Call): MoveRequest {
  const { options } = call
  const window = options.text('window')
  const windowMs = readDuration(window, { zero: true })
  if (window !== undefined && windowMs === undefined)
    throw wrongUse('--window is not a time', durationHint({ zero: true }))
  return {
    from: options.required('from', 'name the provider that wraps the keys now'),
    to: options.required('to', 'name the provider that is to wrap them'),
    ...selectionOf(call),
    ...(windowMs === undefined ? {} : { windowMs }),
  }
}

async function tellPlan(call: Call, { jobs }: Keywright, request: MoveRequest): Promise<number> {
  const { output } = call
  const plan = await jobs.planMove(request)
  await output.result(plan, planText(call, plan))
  for (const warning of plan.warnings) await output.warn(warning)
  return 0
}

const COLUMNS = [
  { title: 'keyring' },
  { title: 'to add', align: 'right' },
  { title: 'to prefer', align: 'right' },
  { title: 'to remove', align: 'right' },
  { title: 'moved', align: 'right' },
  { title: 'not concerned', align: 'right' },
] as const

const row = (name: string, counts: MoveCounts): string[] => [
  name,
  ...[
    counts.source,
    counts.source + counts.added,
    counts.source + counts.added + counts.preferred,
    counts.moved,
    counts.other + counts.destroyed,
  ].map((number) => number.toLocaleString('en-US')),
]

function planText({ io, output }: Call, plan: MovePlan): string {
  const { calls, counts, from, keyrings, phase, removeFrom, to, windowMs } = plan
  const rows = keyrings.map((one) => row(one.keyring, one.counts))
  const facts = output.facts([
    ['move', `${from} to ${to}`],
    ['so far', phase],
    ['window', formatDuration(windowMs)],
    ['last step', removeFrom === undefined ? undefined : instant(Date.parse(removeFrom), io.now())],
    [
      'calls',
      `${to}: ${count(calls.wraps, 'wrap')}, ${count(calls.checks, 'unwrap')}; any: ${count(calls.opens, 'unwrap')}`,
    ],
  ])
  return `${output.table(COLUMNS, [...rows, row('all', counts)])}\n${facts}`
}

async function run(call: Call, { jobs }: Keywright, request: MoveRequest): Promise<number> {
  const step = call.options.text('step') as MoveStep | undefined
  const file = await reportFile(call)
  const report = await jobs.move({
    ...request,
    ...jobOptionsOf(call),
    ...(step === undefined ? {} : { step }),
  })
  await tell(call, report, outcomeText(call, report), file)
  if (report.outcome === 'blocked') throw blocked(report)
  if (report.outcome === 'incomplete') throw incomplete(report)
  return 0
}

async function rollBack(call: Call, { jobs }: Keywright, request: MoveRequest): Promise<number> {
  const file = await reportFile(call)
  const { windowMs: _, ...options } = request
  const report = await jobs.rollbackMove({ ...options, ...jobOptionsOf(call) })
  const { done, from, outcome } = report
  const text = `${outcome}: ${from} preferred again for ${count(done.preferred, 'key')}, ${count(done.removed, 'wrap')} removed\n`
  await tell(call, report, text, file)
  if (outcome === 'incomplete') throw incomplete(report)
  return 0
}

async function tell(
  call: Call,
  report: MoveReport | RollbackReport,
  text: string,
  file: Awaited<ReturnType<typeof reportFile>>,
): Promise<void> {
  const { output } = call
  await output.status('')
  await file.write(report)
  await output.result(report, text)
  for (const warning of report.warnings) await output.warn(warning)
  await warnOfFailures(call, report.keys)
}

function outcomeText({ io }: Call, report: MoveReport): string {
  const { counts, done, from, outcome, removeFrom, to } = report
  const did = `${done.added} added, ${done.preferred} preferred, ${done.removed} removed`
  if (outcome !== 'waiting' && outcome !== 'preferred') return `${outcome}: ${from} to ${to}: ${did}\n`
  const when = removeFrom === undefined ? 'later' : instant(Date.parse(removeFrom), io.now())
  const left = count(counts.preferred, 'key')
  return `${outcome}: ${from} to ${to}: ${did}\n${left} wrapped by both; run it again from ${when} on to finish\n`
}

function blocked({ from, stillWrapping }: MoveReport): KeywrightError {
  const what = `the wraps of ${from} stay: the policy still wraps new keys under it (${stillWrapping.join(', ')})`
  return new KeywrightError('ERR_JOB_REFUSED', what, {
    hint: 'name another provider for these key types in every process, then run the move again',
    details: { from, keyTypes: stillWrapping },
  })
}

function incomplete({ failed, job }: MoveReport | RollbackReport): KeywrightError {
  const what = failed > 0 ? `${count(failed, 'key')} failed` : 'keys go on appearing under the old provider'
  return new KeywrightError('ERR_JOB_INCOMPLETE', `the ${job} is not complete: ${what}`, {
    hint: 'every key opens as before; see to what the report says, then run it again',
    details: { failed },
  })
}
