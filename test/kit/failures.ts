/** Asserting how something fails: by code, as a KeywrightError, with a hint, and without telling a secret. */
import { expect } from 'vitest'
import { type ErrorCode, KeywrightError } from '../../src/errors.ts'

const SECRETS = /hunter2|ECONNREFUSED/

/** The error with which `work` fails. */
export async function failureOf(work: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    return error
  }
  return expect.fail('expected a failure, but it succeeded')
}

/** Expects `work` to fail with one of `codes` and a hint that says what to do; gives the error. */
export async function expectCode(
  work: Promise<unknown> | (() => unknown),
  ...codes: readonly ErrorCode[]
): Promise<KeywrightError> {
  const error = await failureOf(work)
  if (!(error instanceof KeywrightError)) throw error
  expect(codes, `${error.code}: ${error.message}`).toContain(error.code)
  expect(error.hint ?? '', `${error.code}: ${error.message} has no hint`).not.toBe('')
  expect(JSON.stringify([error, error.message, String(error.cause)])).not.toMatch(SECRETS)
  return error
}

/** The code of a failure that is allowed anyhow; other errors are thrown on. */
export function codeOf(error: unknown): ErrorCode {
  if (error instanceof KeywrightError) return error.code
  throw error
}
