/** Errors about a source. They name the source, its place and its columns; never a value of a row. */
import { KeywrightError } from '../../src/source.ts'

export type SourceErrorCode = Extract<
  KeywrightError['code'],
  `ERR_SOURCE_${string}` | 'ERR_COLUMN_UNSUITABLE' | 'ERR_CONFIG_INVALID' | 'ERR_ARGUMENT_INVALID'
>

/** What is wrong with a source, for a sentence that begins with its name, and what to do about it. */
export interface Words {
  readonly says: string
  readonly hint: string
  readonly details?: Readonly<Record<string, string>>
}

/** An error about the source called `name`. */
export function sourceError(code: SourceErrorCode, name: string, words: Words): KeywrightError {
  return new KeywrightError(code, `the source ${name} ${words.says}`, {
    hint: words.hint,
    details: { source: name, ...words.details },
  })
}

/** ERR_ARGUMENT_INVALID about an argument or option. */
export function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', message, { hint })
}

/** ERR_CLOSED, for every call after `close`. */
export function sourceClosed(name: string): KeywrightError {
  return new KeywrightError('ERR_CLOSED', `the source ${name} is closed`, { hint: 'open it again' })
}

/** ERR_ABORTED. */
export function sourceAborted(name: string): KeywrightError {
  return new KeywrightError('ERR_ABORTED', `the call of the source ${name} was stopped`, {
    hint: 'what was written stays as it is; call again to go on',
    details: { source: name },
  })
}

/** A name of a table or column as it may stand in a message: escaped, cut. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}
