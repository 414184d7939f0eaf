/** One line of the check list. */
export interface Finding {
  readonly state: 'ok' | 'warning' | 'failed'
  /** What was looked at. */
  readonly name: string
  /** What was found. */
  readonly found: string
  /** What to do about it. */
  readonly hint?: string
}

const finding =
  (state: Finding['state']) =>
  (name: string, found: string, hint?: string): Finding => ({
    state,
    name,
    found,
    ...(hint === undefined ? {} : { hint }),
  })

export const ok = finding('ok')

export const warning = finding('warning')

export const failed = finding('failed')
