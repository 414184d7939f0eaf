/** Commands on single values. */

import type { NormaliserName } from '../../data/search/normalisers.ts'
import type { CommandSpec } from '../call.ts'
import { CONTEXT, KEY_TYPE, NO_ARGV_WARNING, RAW, TENANT, VALUE_ENV, VALUE_FILE } from './common.ts'

const FIELD = {
  flags: '--field <table.column>',
  description: 'the field it belongs to; the policy tells its key type',
}
const ROW = { flags: '--row <id>', description: 'the id of the row, with --field' }
const TYPES = ['string', 'number', 'bigint', 'boolean', 'date', 'json', 'bytes']
/** Written out, so that --help loads nothing; the type tells when one is missing. */
const NORMALISERS: Record<NormaliserName, true> = {
  exact: true,
  lower: true,
  email: true,
  email_domain: true,
  digits: true,
  last4: true,
}
const NORMALISER = {
  flags: '--normaliser <name>',
  description: 'which values count as equal (default: exact)',
  choices: Object.keys(NORMALISERS),
}

export const dataSpecs: readonly CommandSpec[] = [
  {
    name: 'encrypt [value]',
    summary: 'encrypt a value from standard input, a file, a variable or an argument',
    details:
      'Without an argument, or with "-", the value is read from standard input and one line feed at its end is cut ' +
      'off (--raw keeps it). A value on the command line is visible to others, so that is warned of.',
    options: [
      KEY_TYPE,
      FIELD,
      ROW,
      TENANT,
      CONTEXT,
      { flags: '--as <type>', description: 'check the value as this type, with --field', choices: TYPES },
      VALUE_FILE,
      VALUE_ENV,
      RAW,
      NO_ARGV_WARNING,
    ],
    examples: [
      ["printf 'ada@example.com' | keywright encrypt --key-type pii", 'from standard input'],
      ['keywright encrypt --field users.email --row 42 < email.txt', 'bound to its column and row'],
    ],
    load: async () => (await import('../commands/encrypt.ts')).encrypt,
  },
  {
    name: 'decrypt [ciphertext]',
    summary: 'decrypt a value (kw1.…) from standard input or an argument',
    details:
      'The key id in the ciphertext tells the key. Name the key type or the field where the value comes from ' +
      'outside: then one of another key type is refused. A line feed follows the value unless --raw is given.',
    options: [
      KEY_TYPE,
      FIELD,
      ROW,
      TENANT,
      CONTEXT,
      { flags: '--as <type>', description: 'what to read it as (default: string)', choices: TYPES },
      RAW,
    ],
    examples: [
      ['keywright decrypt kw1.AVo…', 'one value'],
      ['keywright decrypt --field users.email --row 42 < value.txt', 'what was bound to its column and row'],
    ],
    load: async () => (await import('../commands/decrypt.ts')).decrypt,
  },
  {
    name: 'hash <field> [value]',
    summary: 'make the search token of a value',
    details:
      'Equal values of one field have equal tokens: store them beside the ciphertext and compare them.',
    options: [
      NORMALISER,
      { flags: '--bits <n>', description: 'keep so many bits of the token, so that values share one' },
      { flags: '--slow', description: 'Argon2id before the token, for values of which there are few' },
      TENANT,
      { flags: '--all', description: 'the tokens under every live index key, the active one first' },
      VALUE_FILE,
      VALUE_ENV,
      RAW,
      NO_ARGV_WARNING,
    ],
    examples: [
      ['echo ADA@example.com | keywright hash users.email --normaliser email', 'for WHERE email_token = …'],
    ],
    load: async () => (await import('../commands/hash.ts')).hash,
  },
  {
    name: 'inspect [value]',
    summary: 'tell what a ciphertext, token or envelope says without any key',
    details: 'Where the key store can be read, keyring, version and state of the key are added.',
    examples: [['keywright inspect kw1.AVo…', 'key id, size, keyring']],
    load: async () => (await import('../commands/inspect.ts')).inspectValue,
  },
  {
    name: 'keyset',
    summary: 'exchange keyrings with Tink',
    commands: [
      {
        name: 'export <key-type>',
        summary: 'write a keyring as a Tink keyset',
        options: [
          { flags: '--under <provider>', description: 'encrypt the keyset under this provider' },
          { flags: '--clear', description: 'write the keys themselves: who has the file reads everything' },
          { flags: '--format <name>', description: 'json (default) or binary', choices: ['json', 'binary'] },
          {
            flags: '--out <file>',
            description: 'write to a new file (mode 0600) instead of standard output',
          },
          { flags: '--reason <text>', description: 'why, for the audit log' },
          TENANT,
          { flags: '--yes', description: 'do not ask before keys are written in clear' },
        ],
        examples: [
          [
            'keywright keyset export pii --under file --out pii.keyset',
            'encrypted under the provider "file"',
          ],
          ['keywright keyset export pii --clear --yes --out pii.json', 'in clear, for a service with Tink'],
        ],
        load: async () => (await import('../commands/keyset.ts')).exportKeyset,
      },
      {
        name: 'import <key-type>',
        summary: 'take a Tink keyset over as a new keyring; key ids stay',
        options: [
          { flags: '--in <file>', description: 'the keyset; standard input when it is left out' },
          { flags: '--under <provider>', description: 'the provider under which it is encrypted' },
          { flags: '--reason <text>', description: 'why, for the audit log' },
          TENANT,
        ],
        examples: [
          ['keywright keyset import pii --tenant acme --in acme.json', 'into a keyring without keys'],
        ],
        load: async () => (await import('../commands/keyset.ts')).importKeyset,
      },
    ],
  },
]
