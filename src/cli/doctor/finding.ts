import { type ErrorCode, KeywrightError } from '../../errors.ts'

/** One line of the check list. */
export interface Finding {
  readonly state: 'ok' | 'warning' | 'failed'
  /** What was looked at. */
  readonly name: string
  /** What was found. */
  readonly found: string
  /** What to do about it. */
  readonly hint?: string
  /** The code of the failure behind it, for monitors; `found` names it too. */
  readonly code?: ErrorCode
}

const finding =
  (state: Finding['state']) =>
  (name: string, found: string, hint?: string, code?: ErrorCode): Finding => ({
    state,
    name,
    found: code === undefined ? found : `${found} (${code})`,
    ...(hint === undefined ? {} : { hint }),
    ...(code === undefined ? {} : { code }),
  })

export const ok = finding('ok')

export const warning = finding('warning')

export const failed = finding('failed')

/** A failure as a finding. What is no error of ours is not shown: its text may hold anything. */
export function findingOf(name: string, error: unknown): Finding {
  if (!(error instanceof KeywrightError)) return failed(name, 'unexpected failure')
  return failed(name, error.message, error.hint, error.code)
}
