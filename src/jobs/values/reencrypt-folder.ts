/**
 * Re-encryption of the files of a folder, one after another: each is written beside itself and takes the place of the
 * old one only if that did not change meanwhile. There is no checkpoint: headers tell which files are current.
 */
import type { Context } from '../../crypto/canonical.ts'
import { FileKeys } from '../../data/files/file-keys.ts'
import { listEncryptedFiles } from '../../data/files/list-files.ts'
import { reencryptFile } from '../../data/files/reencrypt-file.ts'
import { KeywrightError } from '../../errors.ts'
import { parseKeyring } from '../../policy/keyring-name.ts'
import type { FolderPlace } from '../places.ts'
import { Tally } from './counts.ts'
import type { EngineJob, PlaceResult } from './engine.ts'
import { withPlaceLease } from './place-lease.ts'
import type { ReencryptOptions, ValueParts } from './reencrypt.ts'
import type { RowResult, ValueOutcome } from './task.ts'
import { valueFailure } from './value-errors.ts'

const FILES = 'files'

/** A file that fails in one of these ways is counted, and the others are done. */
const OF_ONE_FILE: ReadonlySet<string> = new Set(['ERR_FILE_DAMAGED', 'ERR_FILE_UNREADABLE'])

/** Throws ERR_ABORTED between two files, ERR_JOB_RUNNING, ERR_FILE_MISSING and ERR_FILE_UNREADABLE for the folder. */
export function reencryptFolder(
  job: EngineJob,
  parts: ValueParts,
  place: FolderPlace,
  options: ReencryptOptions,
): Promise<PlaceResult> {
  const { takeOver } = options
  return withPlaceLease(job, place.name, 'reencrypt', { takeOver }, async (assertHeld) => {
    const keys = new FileKeys(parts.services, parts.rings)
    const tally = new Tally([FILES])
    const startedAt = performance.now()
    const onOther = (_: string, why: string | KeywrightError): void => {
      if (why === 'plain') tally.add(one('plain'))
      else if (why instanceof KeywrightError) tally.add(one('failed', why.code))
    }
    for await (const { keyId, path } of listEncryptedFiles(place.path, { signal: job.signal, onOther })) {
      assertHeld()
      const result = (await isWanted(parts, keyId, options))
        ? await oneFile(keys, path, place.context, job.signal)
        : one('skipped')
      if (result === 'gone' || result === 'changed') tally[result]++
      else tally.add(result)
      const done = tally.rows + tally.gone + tally.changed
      const rate = (done / Math.max(performance.now() - startedAt, 1)) * 1000
      options.onProgress?.({ place: place.name, step: 'reencrypt', done, rate, counts: tally.counts })
    }
    return { place: place.name, location: place.path, resumed: false, counts: tally.counts }
  })
}

async function oneFile(
  keys: FileKeys,
  path: string,
  context: Context | undefined,
  signal: AbortSignal | undefined,
): Promise<RowResult | 'gone' | 'changed'> {
  try {
    const { outcome } = await reencryptFile(keys, path, { context, signal })
    return outcome === 'current' ? one('current') : { ...one('done'), to: [null] }
  } catch (error) {
    const code = error instanceof KeywrightError ? error.code : ''
    if (code === 'ERR_FILE_CHANGED') return 'changed'
    if (code === 'ERR_FILE_MISSING') return 'gone'
    return one('failed', OF_ONE_FILE.has(code) ? code : valueFailure(error))
  }
}

const one = (outcome: ValueOutcome, failure?: string): RowResult =>
  failure === undefined ? { outcomes: [outcome] } : { outcomes: [outcome], failures: [failure] }

/** Whether the file is under a key of the key types and keyrings that were asked for. */
async function isWanted(
  { services }: ValueParts,
  keyId: number,
  { keyTypes, keyrings }: ReencryptOptions,
): Promise<boolean> {
  if (keyTypes === undefined && keyrings === undefined) return true
  const keyring = (await services.store.get(keyId))?.keyring
  if (keyring === undefined) return true // it is counted as what it is: a file under a key of nobody
  const { keyType } = parseKeyring(keyring)
  return (keyTypes?.includes(keyType) ?? true) && (keyrings?.includes(keyring) ?? true)
}
