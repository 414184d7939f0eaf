/** What the file system refuses, in our words: which file, and what to do. */
import { KeywrightError } from '../../errors.ts'

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown error'

/** The error for a file that cannot be read. One of ours stays as it is. */
export function cannotRead(path: string, error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new KeywrightError('ERR_FILE_MISSING', `there is no file ${path}`, {
      hint: 'check the path',
      details: { path },
    })
  }
  return new KeywrightError('ERR_FILE_UNREADABLE', `cannot read ${path} (${code})`, {
    hint:
      code === 'EISDIR' ? 'a folder is encrypted as a folder' : 'check that you may read it, and the disk',
    details: { path },
  })
}

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** The error for a file that cannot be written. One of ours stays as it is. */
export function cannotWrite(path: string, error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  const code = codeOf(error)
  if (FULL.has(code)) {
    return new KeywrightError('ERR_DISK_FULL', `no space is left to write ${path} (${code})`, {
      hint: 'nothing was left half-written; free some space (or raise the quota) and run it again',
      details: { path },
    })
  }
  return new KeywrightError('ERR_OUTPUT_FAILED', `cannot write ${path} (${code})`, {
    hint: 'check that its folder is there and that you may write into it',
    details: { path },
  })
}

/** The error for a file that is not what it was when it was opened. */
export function changed(path: string): KeywrightError {
  return new KeywrightError('ERR_FILE_CHANGED', `${path} was changed while it was read`, {
    hint: 'nothing was written; run it again when nobody writes to it, or take a snapshot first',
    details: { path },
  })
}

/** The error of whatever was stopped by its signal. */
export function stopped(): KeywrightError {
  return new KeywrightError('ERR_ABORTED', 'the work on the file was stopped', {
    hint: 'nothing was left half-written; run it again',
  })
}
