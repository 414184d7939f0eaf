/** What goes wrong with backups, in our words. No name of a file within a backup and no content stands in them. */
import { type ErrorCode, KeywrightError } from '../../errors.ts'

/** What the operating system says → which error that is, and what to do. */
const SYSTEM: Readonly<Record<string, readonly [code: ErrorCode, hint: string]>> = {
  ENOSPC: ['ERR_DISK_FULL', 'make room or name another folder, then run it again: nothing was left behind'],
  EDQUOT: ['ERR_DISK_FULL', 'the quota is used up: make room, then run it again'],
  EFBIG: ['ERR_DISK_FULL', 'the file system takes no file of that size: name another folder'],
  ENOENT: ['ERR_FILE_MISSING', 'check the path'],
  ENOTDIR: ['ERR_FILE_MISSING', 'check the path: a part of it is no folder'],
  EEXIST: ['ERR_FILE_EXISTS', 'name another path'],
  EACCES: ['ERR_FILE_UNREADABLE', 'run it as a user who may do that'],
  EPERM: ['ERR_FILE_UNREADABLE', 'run it as a user who may do that'],
  EROFS: ['ERR_FILE_UNREADABLE', 'the file system is mounted read-only: name another folder'],
}

/** An error of node:fs as one of ours; `what` was to be done: 'read /srv/data'. Errors of ours pass. */
export function fileFailure(what: string, error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  const { code: says = 'unknown error' } = error as NodeJS.ErrnoException
  const [code, hint] = SYSTEM[says] ?? ['ERR_FILE_UNREADABLE', 'check the disk and the path']
  return new KeywrightError(code, `cannot ${what} (${says})`, { hint })
}

/** Runs `work` and tells its failures as {@link fileFailure} does. */
export async function orFail<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw fileFailure(what, error)
  }
}

/** A backup that cannot be taken for what it says. */
export function damaged(
  what: string,
  hint = 'take another backup; `keywright backup verify` tells which are good',
): KeywrightError {
  return new KeywrightError('ERR_BACKUP_DAMAGED', `the backup is damaged: ${what}`, { hint })
}

export function wrongArgument(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', message, { hint })
}

/** The code of a system error, '' for others. */
export const systemCode = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? ''

/** Throws ERR_ABORTED when the caller has given up. */
export function assertGoing(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new KeywrightError('ERR_ABORTED', 'the work was stopped', { hint: 'run it again' })
}
