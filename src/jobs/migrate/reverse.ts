/** Takes a migration back: values become plain text or Fernet tokens again, for the application that was there before. */
import { ForeignReaders } from '../../data/foreign/readers.ts'
import { KeywrightError } from '../../errors.ts'
import { formatsReadable } from '../../policy/migration.ts'
import { type RunningJob, runJob } from '../job.ts'
import type { DataPlace } from '../places.ts'
import { keyTypeOf } from '../values/binding.ts'
import { type PlaceResult, runOverSource } from '../values/engine.ts'
import { KeyOwners } from '../values/key-owners.ts'
import { migratedColumns, type Work } from './columns.ts'
import { Opening } from './opening.ts'
import { type ChosenPlace, chosenPlaces, jobOptionsOf, type ReverseMigrationOptions } from './request.ts'
import { type ReverseTarget, ReverseTask } from './reverse-task.ts'
import { type MigrationReport, namesOf, summary } from './run.ts'

/**
 * Opens every Keywright value and stores it as `to` says. Stop the writers of ciphertexts first: what they write
 * behind its back is not taken back. Run again it goes on where it was. Search tokens stay as they are.
 *
 * Throws ERR_ARGUMENT_INVALID without `undoEncryption`, ERR_FOREIGN_KEY_MISSING, ERR_JOB_RUNNING,
 * ERR_CHECKPOINT_FOREIGN, ERR_ABORTED, and what sources and providers throw.
 */
export async function reverseMigration(
  work: Work,
  places: readonly DataPlace[],
  options: ReverseMigrationOptions,
): Promise<MigrationReport> {
  const target = targetOf(work, options)
  const chosen = chosenPlaces(places, options)
  const about = {
    title: `reverse ${namesOf(chosen)}`,
    details: { job: 'reverse', to: options.to, places: namesOf(chosen) },
    changes: false,
  }
  return runJob(work.services, about, jobOptionsOf(options), async (job) => {
    const results: PlaceResult[] = []
    for (const one of chosen) results.push(await reversePlace(work, job, one, target, options))
    return {
      job: 'reverse' as const,
      ...summary(results, ['failed', 'foreign', 'plain']),
      warnings: unreadable(work, chosen, options.to),
    }
  })
}

function targetOf({ services }: Work, options: ReverseMigrationOptions): ReverseTarget {
  const { to, undoEncryption } = options as Partial<ReverseMigrationOptions>
  if (to !== 'plain' && to !== 'fernet') {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', '"to" is neither "plain" nor "fernet"', {
      hint: 'name what the values are to become',
    })
  }
  if (undoEncryption !== true) {
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      'encryption is only taken off when that is said plainly',
      {
        hint: 'pass --undo-encryption, or undoEncryption: true',
      },
    )
  }
  if (to === 'plain') return { to }
  const [key] = new ForeignReaders(options).fernetKeys
  if (key === undefined)
    throw new KeywrightError('ERR_FOREIGN_KEY_MISSING', 'there is no Fernet key to write with')
  return { to, key, now: () => services.clock.now() }
}

async function reversePlace(
  work: Work,
  job: RunningJob,
  chosen: ChosenPlace,
  target: ReverseTarget,
  options: ReverseMigrationOptions,
): Promise<PlaceResult> {
  const { place } = chosen
  const columns = await columnsOf(work, job, chosen)
  const opening = new Opening(work.rings, new KeyOwners(work.services.store))
  const task = new ReverseTask({ place: place.name, columns, opening, target })
  return runOverSource(job, place, task, options)
}

async function columnsOf(work: Work, { signal }: RunningJob, chosen: ChosenPlace) {
  const source = await chosen.place.open()
  try {
    return migratedColumns(work, chosen, await source.describe({ signal }))
  } finally {
    await source.close?.()
  }
}

/** Columns that Keywright cannot read any more afterwards, because no window is open for them. */
function unreadable({ services }: Work, chosen: readonly ChosenPlace[], to: string): string[] {
  return chosen.flatMap(({ columns, place }) =>
    columns.flatMap((name) => {
      const policy = services.policy.keyTypes[keyTypeOf(services.policy, place, name)]
      const readable = policy !== undefined && formatsReadable(policy, services.clock.now()).includes(to)
      return readable
        ? []
        : [
            `"${place.name}.${name}": no migration window of the policy lets Keywright read ${to} values there`,
          ]
    }),
  )
}
