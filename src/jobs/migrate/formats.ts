/** Which formats may be migrated: those that the policy's window lists, while it is open. */
import type { ForeignReader } from '../../data/foreign/reader.ts'
import type { ForeignReaders } from '../../data/foreign/readers.ts'
import { KeywrightError } from '../../errors.ts'
import { formatInstant } from '../../policy/duration.ts'
import { formatsReadable } from '../../policy/migration.ts'
import type { KeyTypePolicy } from '../../policy/policy.ts'

/** A column by what decides about it. */
interface Subject {
  readonly name: string
  readonly keyType: string
  readonly policy: KeyTypePolicy
}

/** The formats of a column that may be migrated now: none when the window is closed or does not list `from`. */
export function formatsOf({ policy }: Pick<Subject, 'policy'>, from: string, now: number): readonly string[] {
  const readable = formatsReadable(policy, now)
  return from === 'auto' ? readable : readable.filter((format) => format === from)
}

/** Why nothing may be migrated in a column. */
export function notOpen({ keyType, name, policy }: Subject, from: string, now: number): KeywrightError {
  const { migration } = policy
  const about = `column "${name}": the migration window of key type "${keyType}"`
  const what =
    migration === undefined
      ? `column "${name}": the policy has no migration window for key type "${keyType}"`
      : now < migration.untilMs
        ? `${about} does not list "${from}"`
        : `${about} closed at ${formatInstant(migration.untilMs)}`
  return new KeywrightError('ERR_MIGRATION_CLOSED', what, {
    hint: `set "migration" of ${keyType} in the policy document: { "until": the last day, "reads": ["${from === 'auto' ? 'fernet' : from}"] }`,
    details: {
      column: name,
      keyType,
      ...(migration === undefined ? {} : { until: formatInstant(migration.untilMs), reads: migration.reads }),
    },
  })
}

/** Throws ERR_ARGUMENT_INVALID for what can be no format. */
export function assertFormat(from: string): void {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(from) && from !== 'current') return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', '"from" is not a format', {
    hint: 'auto, plain, fernet, or the name of a reader of the program',
  })
}

/** The readers for some formats, kept, because each may hold keys. */
export class ReadersOf {
  readonly #readers: ForeignReaders
  readonly #known = new Map<string, readonly ForeignReader[]>()

  constructor(readers: ForeignReaders) {
    this.#readers = readers
  }

  /** Throws ERR_FOREIGN_KEY_MISSING, and ERR_CONFIG_INVALID for a format without a reader. */
  named(formats: readonly string[]): readonly ForeignReader[] {
    const id = formats.join()
    const known = this.#known.get(id) ?? this.#readers.named(formats)
    this.#known.set(id, known)
    return known
  }
}
