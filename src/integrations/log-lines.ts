/**
 * Lines of append-only logs under the key type `audit_logs`.
 *
 * `encryptLine` and `decryptLine` are for logs that are kept elsewhere. `lineLog` keeps one in a file, in which lines
 * that were removed, moved or added are found:
 *
 *     <path>         one line per entry: <position, from 1> <space> kw1.…
 *     <path>.head    position and hash of the last line; <path>.lock keeps writers apart, also those of other processes
 *
 * Context of a line: keyring, `table: logs`, `column`: the log's name, `row`: its position (where there is one), and in a
 * file `previous`: the SHA-256 of the line before, in hex. So a line opens only behind the one it was written behind.
 */
import type { Field } from '../data/field.ts'
import { KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import { fieldAt } from './shared/field-at.ts'
import { FileLineLog } from './shared/file-line-log.ts'
import type { LineLog, LineLogOptions, LogOptions } from './shared/line-log.ts'

export type {
  LineLog,
  LineLogOptions,
  LogEntry,
  LogHead,
  LogOptions,
  LogReport,
} from './shared/line-log.ts'

export interface LineOptions extends LogOptions {
  /** Where the line stands, a whole number: it then opens only there. @default none */
  readonly position?: number
}

/** One line of text as one line of ciphertext. Throws ERR_VALUE_TYPE for what is no text. */
export async function encryptLine(kw: Keywright, line: string, options: LineOptions): Promise<string> {
  return fieldOf(kw, options).encrypt(line, rowOf(options))
}

/** The reverse. Throws ERR_DECRYPTION_FAILED for a line that was changed, of another log, or of another position. */
export async function decryptLine(kw: Keywright, line: string, options: LineOptions): Promise<string> {
  return fieldOf(kw, options).decrypt(line, rowOf(options))
}

function fieldOf(kw: Keywright, options: LogOptions, context?: { previous: string }): Field<string> {
  const { log, keyType, tenant } = options
  if (typeof log !== 'string' || log === '')
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the log has no name', {
      hint: 'pass { log: … }: its lines are bound to it',
    })
  const keys = {
    ...(keyType === undefined ? {} : { keyType }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(context === undefined ? {} : { context }),
  }
  return fieldAt(kw, { table: 'logs', column: log }, keys, 'audit_logs')
}

function rowOf({ position }: LineOptions): { row?: string } {
  if (position === undefined) return {}
  if (Number.isSafeInteger(position) && position >= 0) return { row: String(position) }
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the position of a line is no whole number', {
    hint: 'count lines from 1',
  })
}

/** A log in a file. Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. */
export function lineLog(kw: Keywright, options: LineLogOptions): LineLog {
  fieldOf(kw, options) // what is wrong with the options is said now
  return new FileLineLog(options, (previous) => fieldOf(kw, options, { previous }))
}
