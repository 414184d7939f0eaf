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

export const ok = (name: string, found: string): Finding => ({ state: 'ok', name, found })

export const warning = (name: string, found: string, hint: string): Finding => ({
  state: 'warning',
  name,
  found,
  hint,
})

export const failed = (name: string, found: string, hint?: string): Finding => ({
  state: 'failed',
  name,
  found,
  ...(hint === undefined ? {} : { hint }),
})
