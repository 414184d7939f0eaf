/**
 * What a worker thread does. It gets key objects, never key bytes, and has no store, no provider and no files. Values
 * cross in one string: one copy instead of one for each value.
 */
import { type Batch, type BatchResult, reencryptBatch } from './batch.ts'

/** Texts joined, with the length of each. */
export interface Packed {
  readonly text: string
  readonly lengths: Uint32Array
}

/** A batch as it crosses. Values are text. */
export interface PackedBatch extends Pick<Batch, 'active' | 'keys' | 'context' | 'jsonFirst'> {
  readonly values: Packed
  readonly rows: Packed | undefined
}

/** What became of it; a value that failed has no length. */
export interface PackedResult extends Pick<BatchResult, 'failures' | 'jsonFirst' | 'bytes'> {
  readonly values: Packed
}

/** Re-encrypts the values of one batch. */
export function reencryptPacked({ values, rows, ...batch }: PackedBatch): PackedResult {
  const result = reencryptBatch({
    ...batch,
    values: unpack(values),
    rows: rows === undefined ? undefined : unpack(rows),
  })
  return { ...result, values: pack(result.values as readonly (string | undefined)[]) }
}

export function pack(texts: readonly (string | undefined)[]): Packed {
  const lengths = new Uint32Array(texts.length)
  for (let at = 0; at < texts.length; at++) lengths[at] = texts[at]?.length ?? 0
  return { text: texts.join(''), lengths }
}

export function unpack({ text, lengths }: Packed): string[] {
  const texts: string[] = []
  let from = 0
  for (let at = 0; at < lengths.length; at++) {
    const to = from + (lengths[at] as number)
    texts.push(text.slice(from, to))
    from = to
  }
  return texts
}
