/** Commands on old data: plain text and values of other libraries become Keywright's, and back. */
import type { CommandSpec, OptionSpec } from '../call.ts'

const SELECTION: readonly OptionSpec[] = [
  {
    flags: '--source <name>',
    description: 'only this source of the policy document; may be given several times',
    repeat: true,
  },
  { flags: '--column <name>', description: 'only this column; may be given several times', repeat: true },
]
const FROM: OptionSpec = {
  flags: '--from <format>',
  description: 'fernet, plain or the name of a reader; by default auto, all that the migration window lists',
}
const OLD_KEYS: OptionSpec = {
  flags: '--old-key-file <path>',
  description: 'Fernet keys, one a line, instead of those in ENCRYPTION_KEY and OLD_ENCRYPTION_KEY',
}
const PACE: readonly OptionSpec[] = [
  { flags: '--batch <n>', description: 'rows at once, 1,000 by default' },
  { flags: '--rate <n>', description: 'rows a second at most' },
]
const REPORT: OptionSpec = {
  flags: '--report <path>',
  description: 'write the whole report as JSON, into a new file',
}
const REASON: OptionSpec = { flags: '--reason <text>', description: 'why, for the audit log' }
const CHANGE: readonly OptionSpec[] = [
  ...PACE,
  { flags: '--restart', description: 'begin anew instead of going on where an earlier run was' },
  { flags: '--take-over', description: 'go on although another job seems to run: it is known to be dead' },
  REASON,
  REPORT,
]

export const migrateSpecs: readonly CommandSpec[] = [
  {
    name: 'migrate',
    summary: 'encrypt plain text and values of other libraries, and take that back',
    details:
      'Reads and writes the sources that the policy document declares, while "migration" of the key type allows it. ' +
      'docs/migrating-from-fernet.md goes through a whole migration.',
    commands: [
      {
        name: 'plan',
        summary: 'tell what a migration would do: counts, formats, widths of columns',
        details:
          'Reads every row and opens every old value. Nothing is written. Exit code 1 when a column cannot be migrated.',
        options: [...SELECTION, FROM, OLD_KEYS, ...PACE, REPORT],
        examples: [['keywright migrate plan --source users', 'what is there, and what stands in the way']],
        load: async () => (await import('../commands/migrate-plan.ts')).planMigration,
      },
      {
        name: 'run',
        summary: 'encrypt what the migration window lists, while applications go on',
        details:
          'Each row is compared and set: what an application writes meanwhile is never overwritten. It may be stopped or ' +
          'killed at any point and run again. At a terminal it only plans, unless --yes is given. Exit code 1 when values ' +
          'are left that it could not encrypt.',
        options: [
          ...SELECTION,
          FROM,
          OLD_KEYS,
          { flags: '--yes', description: 'write; at a terminal it is a dry run without this' },
          ...CHANGE,
        ],
        examples: [
          ['keywright migrate run --source users --yes', 'encrypts'],
          [
            'keywright migrate run --from fernet --old-key-file old.keys --yes',
            'only Fernet, with keys of a file',
          ],
        ],
        load: async () => (await import('../commands/migrate-run.ts')).runMigration,
      },
      {
        name: 'verify',
        summary: 'open every migrated value where it stands, and count what is left',
        details: 'Nothing is written. Exit code 1 unless every value is a ciphertext that opens, or null.',
        options: [
          ...SELECTION,
          {
            flags: '--sample <percent>',
            description: 'open only so many of a hundred values; all are counted',
          },
          ...PACE,
          REASON,
          REPORT,
        ],
        examples: [['keywright migrate verify --sample 5', 'counts all, opens one of twenty']],
        load: async () => (await import('../commands/migrate-run.ts')).verifyMigration,
      },
      {
        name: 'reverse',
        summary: 'take a migration back: values become plain text or Fernet tokens again',
        details:
          'For the way back to the application that was there before. Stop whatever writes ciphertexts first. Search tokens ' +
          'stay. Fernet tokens are written with the first of the old keys.',
        options: [
          ...SELECTION,
          { flags: '--to <format>', description: 'what values become', choices: ['plain', 'fernet'] },
          {
            flags: '--undo-encryption',
            description: "yes, really: Keywright's protection is taken off these columns",
          },
          OLD_KEYS,
          ...CHANGE,
        ],
        examples: [['keywright migrate reverse --to fernet --undo-encryption', 'as before the migration']],
        load: async () => (await import('../commands/migrate-run.ts')).reverseMigration,
      },
    ],
  },
]
