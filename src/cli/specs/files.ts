/** Commands on files and folders. */
import type { CommandSpec, OptionSpec } from '../call.ts'
import { CONTEXT, KEY_TYPE, TENANT } from './common.ts'

const FORCE: OptionSpec = { flags: '--force', description: 'replace regular files that are there already' }
const WORKERS: OptionSpec = {
  flags: '--workers <n>',
  description: 'threads for a file of 64 MiB and more; 2 is right on most machines',
}
const DRY_RUN: OptionSpec = { flags: '--dry-run', description: 'only tell what would be done' }
const SEAL: readonly OptionSpec[] = [
  KEY_TYPE,
  TENANT,
  CONTEXT,
  {
    flags: '--zstd',
    description: 'compress before encrypting; the length then tells something of the content',
  },
  {
    flags: '--recoverable',
    description: 'put the wrapped key into the header: it opens without the key store, destroyed key or not',
  },
]
const OPEN: readonly OptionSpec[] = [
  KEY_TYPE,
  TENANT,
  CONTEXT,
  {
    flags: '--without-store',
    description: 'open it with the providers alone, by the wrapped key in it: for when the key store is lost',
  },
  { flags: '--max-inflated <size>', description: 'refuse compressed content larger than this, as "20 GiB"' },
  {
    flags: '--max-inflation-ratio <n>',
    description: 'refuse content compressed more than so many times (default: 1000)',
  },
]

export const fileSpecs: readonly CommandSpec[] = [
  {
    name: 'encrypt-file <in> [out]',
    summary: 'encrypt a file, or standard input ("-") to standard output',
    details:
      'Without a second name the result is beside the file, with ".kwf". It appears when it is complete, with the mode ' +
      'and time of the file, which stays: remove it yourself.',
    options: [...SEAL, FORCE, WORKERS],
    examples: [
      ['keywright encrypt-file --key-type pii customers.csv', 'makes customers.csv.kwf'],
      ['pg_dump app | keywright encrypt-file --key-type pii - app.sql.kwf', 'from a pipe'],
    ],
    load: async () => (await import('../commands/encrypt-file.ts')).encryptFileCommand,
  },
  {
    name: 'decrypt-file <in> [out]',
    summary: 'decrypt a file, or standard input ("-") to standard output',
    details:
      'Without a second name the result is beside the file, without ".kwf". A file appears when all of it is ' +
      'authenticated. To standard output goes what is authenticated so far: only exit code 0 says that it is all.',
    options: [...OPEN, FORCE, WORKERS],
    examples: [
      ['keywright decrypt-file customers.csv.kwf', 'makes customers.csv'],
      ['keywright decrypt-file app.sql.kwf - | psql app', 'into a pipe'],
    ],
    load: async () => (await import('../commands/decrypt-file.ts')).decryptFileCommand,
  },
  {
    name: 'encrypt-dir <from> <to>',
    summary: 'encrypt the files of a folder into another folder',
    details:
      'Run again, it goes on where it was: what is done, and did not change since, is left alone. Symbolic links are not ' +
      'followed. One bad file stops no other; exit code 1 when there was one.',
    options: [
      ...SEAL,
      {
        flags: '--names <how>',
        description:
          'keep (default), or encrypt: random names in one folder, the paths encrypted in the files',
        choices: ['keep', 'encrypt'],
      },
      DRY_RUN,
      FORCE,
      WORKERS,
    ],
    examples: [
      ['keywright encrypt-dir --key-type pii --dry-run scans scans.kwf', 'counts'],
      ['keywright encrypt-dir --key-type pii --names encrypt scans scans.kwf', 'hides the names too'],
    ],
    load: async () => (await import('../commands/folder.ts')).encryptFolderCommand,
  },
  {
    name: 'decrypt-dir <from> <to>',
    summary: 'decrypt the files of a folder into another folder',
    details: 'What is not encrypted is skipped. Run again, it goes on where it was.',
    options: [...OPEN, DRY_RUN, FORCE, WORKERS],
    examples: [['keywright decrypt-dir scans.kwf scans', 'names come back too']],
    load: async () => (await import('../commands/folder.ts')).decryptFolderCommand,
  },
  {
    name: 'inspect-file <file>',
    summary: 'tell what the header of an encrypted file says without any key',
    details: 'Where the key store can be read, the keyring is added.',
    examples: [['keywright inspect-file customers.csv.kwf', 'key id, sizes, whether the key is in it']],
    load: async () => (await import('../commands/inspect-file.ts')).inspectFileCommand,
  },
]
