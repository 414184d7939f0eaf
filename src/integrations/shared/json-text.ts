/** JSON as applications write it: what JSON.stringify makes of a value, dates and classes included. */
import { KeywrightError } from '../../errors.ts'

/** Throws ERR_VALUE_TYPE for what has no JSON. The reason is not repeated: it names members. */
export function toJsonText(value: unknown, what: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    // as for a function: there is no JSON of it
  }
  if (text !== undefined) return text
  throw new KeywrightError('ERR_VALUE_TYPE', `${what} cannot be written as JSON`, {
    hint: 'it holds itself, a BigInt, or something whose toJSON fails: keep plain data in it',
  })
}

/** A decrypted JSON object. Throws ERR_VALUE_TYPE for anything else. */
export function toJsonObject(text: string, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // as for a number: it is no object
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new KeywrightError('ERR_VALUE_TYPE', `${what} is no JSON object`, {
    hint: 'something else was encrypted in its place',
  })
}
