/** What can be wrong with an audit log. */

/**
 * - edited: the content does not fit its hash, or the hash is not the one its neighbours name
 * - removed: records are missing in between
 * - inserted: a line that is no part of the chain
 * - duplicate: a second or false record with a `seq` whose turn is over
 * - reordered: records stand in another place
 * - cut-start: records are missing before the first line, and no checkpoint stands for them
 * - cut-end: records are missing after the last line, which the head names
 * - head: the head is missing, malformed or older than the start of the log
 * - checkpoint: a checkpoint contradicts itself, or no later record announces it
 * - mac: the checkpoint's MAC is missing or wrong
 */
export type AuditProblemKind =
  | 'edited'
  | 'removed'
  | 'inserted'
  | 'duplicate'
  | 'reordered'
  | 'cut-start'
  | 'cut-end'
  | 'head'
  | 'checkpoint'
  | 'mac'

export interface AuditProblem {
  readonly kind: AuditProblemKind
  /** The line where it shows, from 1; 0 for the head. For cut-end the line after the last one. */
  readonly line: number
  /** The first record concerned, where that is known. */
  readonly seq?: number
  /** What is wrong, for people. */
  readonly message: string
}
