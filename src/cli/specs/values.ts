/** Commands on the values that applications have stored: re-encryption and census. */
import type { CommandSpec, OptionSpec } from '../call.ts'

const SOURCE: OptionSpec = {
  flags: '--source <name>',
  description: 'only this source of the policy document; may be given several times',
  repeat: true,
}
const RATE: OptionSpec = { flags: '--rate <n>', description: 'rows a second at most' }
const REASON: OptionSpec = { flags: '--reason <text>', description: 'why, for the audit log' }
const REPORT: OptionSpec = {
  flags: '--report <path>',
  description: 'write the whole report as JSON, into a new file',
}

export const valueSpecs: readonly CommandSpec[] = [
  {
    name: 'reencrypt',
    summary: 'bring stored values under the active key of their keyring, while applications go on',
    details:
      'Goes through the sources that the policy document declares. Each row is compared and set: what an application ' +
      'writes meanwhile is never overwritten. It may be stopped (Ctrl-C) or killed at any point and run again: it goes ' +
      'on where it was. Exit code 1 when values stayed under an old key. docs/rotation.md tells how this, rotate and ' +
      'rewrap differ.',
    options: [
      SOURCE,
      {
        flags: '--key-type <name>',
        description: 'only values of this key type; may be given several times',
        repeat: true,
      },
      {
        flags: '--keyring <name>',
        description: 'only values of this keyring, as pii or pii/acme; may be given several times',
        repeat: true,
      },
      {
        flags: '--dry-run',
        description: 'only tell what would be done and how long it takes, from a sample',
      },
      { flags: '--batch <n>', description: 'rows at once, 1,000 by default' },
      { flags: '--workers <n>', description: 'threads for the cryptography; none by default' },
      RATE,
      {
        flags: '--max-latency <time>',
        description: 'slow down while the source takes longer for a page, as 200ms',
      },
      { flags: '--restart', description: 'begin anew instead of going on where an earlier run was' },
      {
        flags: '--take-over',
        description: 'go on although another job seems to run: it is known to be dead',
      },
      REASON,
      REPORT,
    ],
    examples: [
      ['keywright reencrypt --dry-run', 'counts, time, warnings'],
      ['keywright reencrypt --key-type pii --workers 2', 'does it; run it again to go on after a stop'],
      ['keywright reencrypt --rate 2000 --max-latency 200ms', 'gently, beside a busy application'],
    ],
    load: async () => (await import('../commands/reencrypt.ts')).reencrypt,
  },
  {
    name: 'census',
    summary: 'count the ciphertexts under each key in all sources; needs no key',
    details:
      'Reads only the first characters of each value. What it finds is recorded in the key store and gates `keys ' +
      'destroy`. Exit code 1 when a source could not be read, or ciphertexts are under keys that no record knows.',
    options: [
      SOURCE,
      { flags: '--batch <n>', description: 'rows at once, 5,000 by default' },
      RATE,
      REASON,
      REPORT,
    ],
    examples: [
      ['keywright census', 'by key and by column'],
      ['keywright census --report census.json', 'with the rows that hold no ciphertext'],
    ],
    load: async () => (await import('../commands/census.ts')).census,
  },
]
