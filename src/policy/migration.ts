/** The window in which values of other formats are read beside Keywright's own. */
import { KeywrightError } from '../errors.ts'
import { DAY_MS, formatInstant } from './duration.ts'
import type { KeyTypePolicy } from './policy.ts'

export const UNTIL_PATTERN =
  '^\\d{4}-\\d{2}-\\d{2}(?:T\\d{2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,3})?)?(?:Z|[+-]\\d{2}:\\d{2}))?$'
export const UNTIL_HINT =
  'expected a day, which is the last one, or an instant: "2027-01-31", "2027-01-31T12:00:00Z"'
export const FORMAT_PATTERN = '^[a-z][a-z0-9-]{0,31}$'
export const FORMAT_HINT = 'expected "plain", "fernet" or the name of a reader of the program'

/** When a window ends, in ms since the epoch: a day counts to its end in UTC. Undefined for a text that is neither. */
export function readUntil(text: unknown): number | undefined {
  if (typeof text !== 'string' || !new RegExp(UNTIL_PATTERN).test(text)) return undefined
  const day = Date.parse(`${text.slice(0, 10)}T00:00:00Z`)
  if (Number.isNaN(day) || !new Date(day).toISOString().startsWith(text.slice(0, 10))) return undefined
  const until = text.length === 10 ? day + DAY_MS : Date.parse(text)
  return Number.isNaN(until) ? undefined : until
}

/** The formats that may be read now beside Keywright's own; none outside the window. */
export function formatsReadable(policy: KeyTypePolicy, now: number): readonly string[] {
  return policy.migration !== undefined && now < policy.migration.untilMs ? policy.migration.reads : []
}

/** Why a value that is no Keywright ciphertext is refused. */
export function migrationClosed(keyType: string, policy: KeyTypePolicy, now: number): KeywrightError {
  const { migration } = policy
  const what =
    migration === undefined
      ? `the policy has no migration window for "${keyType}"`
      : now < migration.untilMs
        ? `the migration window of "${keyType}" does not allow this format`
        : `the migration window of "${keyType}" closed at ${formatInstant(migration.untilMs)}`
  return new KeywrightError('ERR_MIGRATION_CLOSED', `${what}: the value is no Keywright ciphertext`, {
    hint: `migrate what is left with \`keywright migrate run\`; to read it meanwhile, set "migration" of ${keyType} in the policy document: { "until": a later day, "reads": ["plain", "fernet"] }`,
    details: {
      keyType,
      ...(migration === undefined ? {} : { until: formatInstant(migration.untilMs), reads: migration.reads }),
    },
  })
}
