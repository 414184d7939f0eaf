/** `doctor` as a monitor reads it, and the job that an application does. */
import { expect } from 'vitest'
import type { Env } from './bad-input-kit.ts'
import type { RunOptions, Workplace } from './cli-kit.ts'

export interface Check {
  readonly state: 'ok' | 'warning' | 'failed'
  readonly name: string
  readonly found: string
  readonly hint?: string
  readonly code?: string
}

export interface Privileges {
  readonly provider: string
  readonly title: string
  readonly format: string
  readonly text: string
}

export interface Report {
  readonly exit: number
  readonly state: Check['state']
  readonly checks: readonly Check[]
  readonly privileges?: readonly Privileges[]
}

/** Runs `doctor --json`; standard error stays silent whatever is found. */
export async function doctor(
  place: Workplace,
  env: Env,
  options: Omit<RunOptions, 'env'> & { readonly flags?: readonly string[] } = {},
): Promise<Report> {
  const { flags = [], ...rest } = options
  const { code, err, out } = await place.keywright(['doctor', '--json', ...flags], { env, ...rest })
  expect(err).toBe('')
  return { exit: code, ...(JSON.parse(out) as Omit<Report, 'exit'>) }
}

/** What was found of a provider. */
export const of = ({ checks }: Report, provider: string): readonly Check[] =>
  checks.filter(({ name }) => name === `provider ${provider}`)

export const failed = (checks: readonly Check[]): readonly Check[] =>
  checks.filter(({ state }) => state === 'failed')

/** Each command ends well. */
export async function allWell(
  place: Workplace,
  env: Env,
  ...commands: readonly (readonly string[])[]
): Promise<void> {
  for (const argv of commands) {
    const { code, err } = await place.keywright(argv, { env, stdin: 'ada@example.com' })
    expect({ argv, code, err }).toMatchObject({ argv, code: 0 })
  }
}

/** What an application does, and who looks after it. */
export const DAILY: readonly (readonly string[])[] = [
  ['encrypt', '--key-type', 'pii'],
  ['keys', 'rotate', 'pii', '--force', '--now', '--reason', 'test'],
  ['encrypt', '--key-type', 'pii'],
  ['status'],
  ['doctor'],
]

/** What an administrator does in addition. */
export const ROTATION: readonly (readonly string[])[] = [['master', 'rotate'], ['rewrap']]
