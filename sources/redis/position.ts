/**
 * Where a scan is: the cursor of SCAN and the run of the server that gave it. A server hashes keys under a seed of its
 * own run, so after a restart a cursor means nothing, and going on from it would leave keys out.
 */
import { badKey } from '../shared/keys.ts'

export interface Position {
  readonly run: string
  readonly cursor: string
}

export const START = '0'

export const formatPosition = ({ cursor, run }: Position): string => `${run}:${cursor}`

/** The cursor to go on from: the start, when the server was restarted since. Throws ERR_ARGUMENT_INVALID. */
export function cursorOf(position: string | undefined, run: string): string {
  if (position === undefined) return START
  const [, of, cursor] = /^([0-9a-zA-Z]{1,64}):([0-9]{1,20})$/.exec(position) ?? []
  if (cursor === undefined) throw badKey()
  return of === run ? cursor : START
}
