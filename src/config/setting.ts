/** A setting: where it can come from, what it expects, and where its value came from in the end. */

/** Where a value came from, in rising precedence. */
export type Source = 'default' | 'policy document' | 'environment' | 'option'

/** One effective setting, as `config` prints it. Secrets are never in here. */
export interface EffectiveSetting {
  readonly name: string
  /** Absent when it is not set; a fixed word for a secret. */
  readonly value?: string
  readonly source?: Source
  /** The variable or the path it came from. */
  readonly from?: string
}

/** What stands for a secret wherever settings are shown. */
export const MASKED = '(set, not shown)'
