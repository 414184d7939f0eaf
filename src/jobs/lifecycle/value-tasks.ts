/** Tasks on values: re-encrypt what may be under old keys, and count. */
import { ERROR_CODES, type ErrorCode } from '../../errors.ts'
import { readCensus } from '../../keys/census.ts'
import { eachKeyInfo } from '../../keys/views.ts'
import { keyTypeOf } from '../values/binding.ts'
import { census as takeCensus } from '../values/census.ts'
import { countOf, sumCounts } from '../values/counts.ts'
import { reencrypt } from '../values/reencrypt.ts'
import { count, type LifecycleOptions, type LifecycleParts, type RunTask, type StepFailure } from './task.ts'

/** Every key type of which a key was replaced, unless the last census found nothing under that key. */
export const reencryptOld: RunTask = async (parts, options) => {
  const keyTypes = await agedKeyTypes(parts, options)
  if (keyTypes.length === 0) {
    return { outcome: 'nothing due', summary: 'no value can be under an old key', details: { keyTypes } }
  }
  const { batch, onEvent, rate, reason, signal, workers } = options
  const report = await reencrypt(parts, {
    keyTypes,
    ...(batch === undefined ? {} : { batch }),
    ...(rate === undefined ? {} : { rate }),
    ...(reason === undefined ? {} : { reason }),
    ...(signal === undefined ? {} : { signal }),
    ...(workers === undefined ? {} : { workers }),
    onProgress: ({ done, place, total }) =>
      onEvent?.({
        event: 'progress',
        task: 'reencrypt',
        place,
        done,
        ...(total === undefined ? {} : { total }),
      }),
  })
  const counts = sumCounts(report.places.map((place) => place.counts))
  const done = countOf(counts, 'done')
  return {
    outcome: done === 0 ? 'nothing due' : 'done',
    summary: `${count(done, 'value')} in ${count(counts.rows, 'row')} re-encrypted (${keyTypes.join(', ')})`,
    failures: report.outcome === 'finished' ? [] : report.warnings.map(failureOf),
    details: { keyTypes, report },
  }
}

const failureOf = (message: string): StepFailure => ({
  what: '',
  code: 'ERR_JOB_INCOMPLETE',
  message,
  retryable: false,
})

/** Counts what is under each key in all declared places; `cleanup` destroys by what it finds. */
export const census: RunTask = async (parts, options) => {
  if (parts.places.length === 0) {
    return { outcome: 'nothing due', summary: 'no places are declared', details: {} }
  }
  const { onEvent, rate, reason, signal } = options
  const report = await takeCensus(parts, {
    ...(rate === undefined ? {} : { rate }),
    ...(reason === undefined ? {} : { reason }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ done, place, total }) =>
      onEvent?.({
        event: 'progress',
        task: 'census',
        place,
        done,
        ...(total === undefined ? {} : { total }),
      }),
  })
  const values = report.keys.reduce((sum, key) => sum + key.values + key.tokens, 0)
  const unread = report.places.flatMap(({ failure, place }) =>
    failure === undefined ? [] : [{ what: place, code: failure, message: 'it could not be read to its end' }],
  )
  return {
    summary: `${count(values, 'value')} under ${count(report.keys.length, 'key')}${report.orphans === 0 ? '' : `, ${report.orphans} under keys that nobody knows`}`,
    failures: unread.map((one) => ({ ...one, retryable: isRetryable(one.code) })),
    details: { report },
  }
}

const isRetryable = (code: string): boolean =>
  Object.hasOwn(ERROR_CODES, code) && ERROR_CODES[code as ErrorCode].retryable

/** Key types with columns somewhere, and a replaced key that is not destroyed and not known to be empty. */
async function agedKeyTypes(
  { places, services }: LifecycleParts,
  { keyType }: LifecycleOptions,
): Promise<string[]> {
  const declared = new Set(
    places.flatMap((place) =>
      place.kind === 'rows'
        ? Object.keys(place.columns).map((name) => keyTypeOf(services.policy, place, name))
        : [],
    ),
  )
  // What key types the files of a folder are of, only their headers tell.
  const hasFiles = places.some(({ kind }) => kind === 'folder')
  const aged = new Set<string>()
  const known = await readCensus(services.store.documents)
  for await (const key of eachKeyInfo(services)) {
    const isEmpty = known?.keys.get(key.id)?.emptySince !== undefined
    const isOld = key.deactivatedAt !== undefined && key.state !== 'destroyed' && !isEmpty
    if (isOld && (hasFiles || declared.has(key.keyType))) aged.add(key.keyType)
  }
  return [...aged].filter((name) => keyType === undefined || name === keyType).sort()
}
