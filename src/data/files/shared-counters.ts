/** What the threads of one job share: the next run, the bytes of plaintext that are done, and whether to stop. */

/** Indexes of 64-bit counters. */
export const NEXT = 0
export const BYTES = 1
export const STOP = 2
const COUNTERS = 3

export function newCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNTERS * BigInt64Array.BYTES_PER_ELEMENT)
}
