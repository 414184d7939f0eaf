/** One job at a time on the values of a place. */
import type { RunningJob } from '../job.ts'
import { JobLease } from '../lease.ts'
import { lower } from './checkpoint.ts'

/** The lease for work on the values of a place: its name, and what the holder is said to be at work on. */
const placeLease = (place: string): { readonly name: string; readonly what: string } => ({
  name: `jobs/data/${lower(place)}`,
  what: `the values of "${place}"`,
})

/**
 * Runs `work` under the lease of a place; without documents in the key store there is none. `work` calls what it is
 * given between two steps. Throws ERR_JOB_RUNNING.
 */
export async function withPlaceLease<T>(
  { services: { clock, store } }: Pick<RunningJob, 'services'>,
  place: string,
  kind: string,
  { takeOver = false }: { readonly takeOver?: boolean | undefined },
  work: (assertHeld: () => void) => Promise<T>,
): Promise<T> {
  const { documents } = store
  if (documents === undefined) return work(() => undefined)
  const job = `${kind} ${place}`
  const lease = await JobLease.take({ documents, clock, takeOver, job, ...placeLease(place) })
  try {
    return await work(() => lease.assertHeld())
  } finally {
    await lease.release()
  }
}
