import { KeywrightError } from '../../errors.ts'

/** Work on search tokens, where none are declared. */
export function noIndexes(): KeywrightError {
  return new KeywrightError('ERR_SOURCE_UNKNOWN', 'no place with search tokens is declared', {
    hint: 'name the column of the tokens in "indexes" of an encrypted column of "sources"',
  })
}
