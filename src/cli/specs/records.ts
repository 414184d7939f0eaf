/** Commands on tables: CSV and JSON Lines. */
import type { CommandSpec, OptionSpec } from '../call.ts'
import { TENANT } from './common.ts'

const SHARED: readonly OptionSpec[] = [
  { flags: '--in <file>', description: 'read from a file instead of standard input' },
  { flags: '--out <file>', description: 'write to a new file (mode 0600) instead of standard output' },
  { flags: '--force', description: 'replace the file of --out' },
  {
    flags: '--format <name>',
    description: 'csv or jsonl (default: by the name of the file)',
    choices: ['csv', 'jsonl'],
  },
  { flags: '--table <name>', description: 'the table the records belong to; part of the context' },
  { flags: '--row-id <column>', description: 'bind each value to its row by the id in this column' },
  {
    flags: '--field <column=key_type>',
    description:
      'the key type of a column, before the selectors; "none" leaves the column alone; several times',
    repeat: true,
  },
  { flags: '--no-selectors', description: 'only the columns that --field names' },
  TENANT,
  { flags: '--explain', description: 'only say which columns are chosen, and why' },
]

const DRY_RUN: OptionSpec = { flags: '--dry-run', description: 'the same as --explain' }

export const recordSpecs: readonly CommandSpec[] = [
  {
    name: 'records',
    summary: 'encrypt and decrypt tables: CSV or JSON Lines',
    commands: [
      {
        name: 'encrypt',
        summary: 'encrypt the columns that the policy (or --field) names',
        details:
          'Streams, in constant memory. CSV is RFC 4180 with a header; empty values stay empty unless --encrypt-empty. ' +
          'A file is written beside its target and renamed at the end, so it is whole or not there. With --json and ' +
          'without --out the records come as JSON Lines; with --out a summary comes as JSON.',
        options: [
          ...SHARED,
          DRY_RUN,
          { flags: '--encrypt-empty', description: 'encrypt empty CSV values too' },
        ],
        examples: [
          ['keywright records encrypt --explain --in customers.csv', 'what would be encrypted, and why'],
          ['keywright records encrypt --in customers.csv --out safe.csv --table customers', 'a file'],
          [
            'pg_export | keywright records encrypt --format jsonl --field note=pii --row-id id | pg_import',
            'a stream; "note" is named, the rest is left to the policy',
          ],
        ],
        load: async () => (await import('../commands/records.ts')).encryptRecords,
      },
      {
        name: 'decrypt',
        summary: 'the reverse, with the same --table, --row-id and --field',
        options: [...SHARED, DRY_RUN],
        examples: [['keywright records decrypt --in safe.csv --table customers', 'to standard output']],
        load: async () => (await import('../commands/records.ts')).decryptRecords,
      },
    ],
  },
]
