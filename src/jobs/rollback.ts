/** The way back of a move, until its last step has begun. */
import { KeywrightError } from '../errors.ts'
import type { KeyServices } from '../keys/services.ts'
import type { KeyRecord } from '../store.ts'
import { eachKey } from './each-key.ts'
import { type JobOptions, type JobReport, type RunningJob, runJob } from './job.ts'
import { KeyLog, type KeyReport } from './key-log.ts'
import { aboutMove, doneIn, type MoveReport } from './move.ts'
import { MoveMemo } from './move-memo.ts'
import {
  type MoveCounts,
  type MoveRequest,
  type MoveSettings,
  moveSettings,
  surveyMove,
  underSource,
} from './move-plan.ts'
import { moveState, preferring } from './move-state.ts'
import type { KeySelection } from './selection.ts'
import { wantedFor } from './wanted.ts'
import { checkOpens, preferWrap, removeWraps, type StepContext } from './wrap-steps.ts'

/** As of the move that is to be undone. */
export interface RollbackOptions extends Omit<MoveRequest, 'windowMs'>, JobOptions {}

export interface RollbackReport extends JobReport {
  readonly job: 'rollback'
  readonly from: string
  readonly to: string
  readonly selection: KeySelection
  /** 'incomplete': some keys do not open by the old provider; their new wraps stay. */
  readonly outcome: 'rolled back' | 'incomplete'
  readonly counts: MoveCounts
  readonly done: MoveReport['done']
  readonly failed: number
  readonly warnings: readonly string[]
  readonly keys: readonly KeyReport[]
}

/**
 * Prefers the old provider again and removes the wraps of the new one, but those that the policy wants. Each key is
 * opened by the old provider right before. Throws ERR_JOB_REFUSED once old wraps were removed.
 */
export async function rollbackMove(services: KeyServices, options: RollbackOptions): Promise<RollbackReport> {
  const settings = moveSettings(services, options)
  services.calls.get(settings.from)
  await assertWayBack(services, settings)
  return runJob(services, aboutMove('rollback', settings, {}), options, (job) => rollback(job, settings))
}

async function openMemo(services: KeyServices, { from, to, selection }: MoveSettings): Promise<MoveMemo> {
  return MoveMemo.open(services.store, from, to, selection, services.clock.now())
}

async function assertWayBack(services: KeyServices, settings: MoveSettings): Promise<void> {
  const { from, to } = settings
  const { memory } = await openMemo(services, settings)
  const { counts } = await surveyMove(services, settings)
  const begun = memory.removingSince !== undefined && counts.moved > 0
  if (!begun && underSource(counts) > 0) return
  const why =
    counts.moved > 0
      ? `the wraps of ${from} are gone already (${counts.moved} of ${counts.moved + underSource(counts)} keys)`
      : `no key of it is wrapped by ${from}`
  throw new KeywrightError('ERR_JOB_REFUSED', `the move from ${from} to ${to} is not rolled back: ${why}`, {
    hint: `finish it, then move the other way: --from ${to} --to ${from}`,
    details: { from, to },
  })
}

async function rollback(
  job: RunningJob,
  settings: MoveSettings,
): Promise<Omit<RollbackReport, keyof JobReport> & Pick<RollbackReport, 'outcome'>> {
  const { services } = job
  const { from, to, selection } = settings
  const memo = await openMemo(services, settings)
  const log = new KeyLog(() => services.clock.now())
  await goBack({ job, log }, settings)
  if (log.failed === 0 && memo.isKnown) await memo.note({ rolledBackAt: services.clock.now() })
  const { counts } = await surveyMove(services, settings)
  return {
    job: 'rollback',
    from,
    to,
    selection: selection.filter,
    outcome: log.failed === 0 ? 'rolled back' : 'incomplete',
    counts,
    done: doneIn(log),
    failed: log.failed,
    warnings: warningsOf(settings, counts),
    keys: log.report(),
  }
}

/** Prefers for all, checks all, and only then removes. */
async function goBack(context: StepContext, settings: MoveSettings): Promise<void> {
  const { job, log } = context
  const { from, to } = settings
  const isBoth = (record: KeyRecord): boolean => ['added', 'preferred'].includes(moveState(record, from, to))
  const isUnwanted = ({ keyring }: KeyRecord): boolean =>
    wantedFor(job.services.policy, keyring)?.includes(to) !== true
  const pass = async (step: string, work: (record: KeyRecord) => Promise<boolean>): Promise<void> => {
    const { counts } = await surveyMove(job.services, settings)
    await eachKey(job, settings.selection.records(job.services.store), log, {
      step,
      total: counts.added + counts.preferred,
      work: async (record) => (isBoth(record) ? work(record) : undefined),
    })
  }
  await pass('prefer', (record) =>
    preferWrap(context, record, from, (read) =>
      moveState(read, from, to) === 'preferred' ? preferring(read.wraps, from, to) : undefined,
    ),
  )
  await pass('check', async (record) => {
    if (isUnwanted(record)) await checkOpens(context, record, from)
    return false
  })
  if (log.failed > 0) return
  await pass('remove', (record) =>
    removeWraps(context, record, to, [from], (read) => isBoth(read) && isUnwanted(read)),
  )
}

function warningsOf({ from, to }: MoveSettings, counts: MoveCounts): string[] {
  const kept = counts.added + counts.preferred
  const warnings: string[] = []
  if (kept > 0) {
    warnings.push(
      `${kept} wraps by ${to} stay, because the policy wants them or their key changed meanwhile: change the policy, then roll back again`,
    )
  }
  if (counts.moved > 0) {
    warnings.push(`${counts.moved} keys are wrapped by ${to} alone: --from ${to} --to ${from} moves them`)
  }
  return warnings
}
