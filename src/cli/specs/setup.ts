/** Commands for setting up and looking at the set-up. */
import type { CommandSpec } from '../call.ts'

export const setupSpecs: readonly CommandSpec[] = [
  {
    name: 'quickstart [csv]',
    summary: 'run the main job on a CSV file, in a folder of its own',
    details:
      'Puts the file into a SQLite table, encrypts the columns that the default policy claims and says why, reads ' +
      'everything back, finds a row by a search token, rotates a key, re-encrypts, counts what is left under the old ' +
      'key, destroys it, reads everything back again and verifies the audit log. Without a file it takes the example ' +
      'that comes with the package. Touches nothing outside its folder. With --backend it starts ' +
      'the emulator of that backend (a container, or a program of this machine), and ends it afterwards.',
    options: [
      {
        flags: '--field <column=key-type>',
        description: 'encrypt this column, or leave it in clear: <column>=plain',
        repeat: true,
      },
      { flags: '--search <column>', description: 'the column to search by, else the first e-mail column' },
      { flags: '--folder <path>', description: 'where everything is made, else .quickstart' },
    ],
    examples: [
      ['keywright quickstart', 'the example with 600 customers'],
      ['keywright quickstart --backend vault', 'the same with OpenBao holding the master key'],
      ['keywright quickstart orders.csv --field remarks=pii --field country=plain', 'a file of your own'],
    ],
    load: async () => (await import('../commands/quickstart.ts')).quickstartCommand,
  },
  {
    name: 'init',
    summary: 'make master key, key store and policy document',
    details:
      'Makes what is missing and never replaces what is there. Where a store with keys exists without its key file, ' +
      'it refuses: that is a loss, not a beginning. The root secret that seals the key file comes from ' +
      'ENCRYPTION_MASTER_KEY, ENCRYPTION_MASTER_KEY_FILE or ENCRYPTION_MASTER_PASSWORD, from --root-key-file, or ' +
      'from what you answer at a terminal.',
    options: [
      { flags: '--root-key-file <path>', description: 'make a random root key in this file (mode 0600)' },
      {
        flags: '--unsealed',
        description: 'no root secret: the master key lies in clear, for development only',
      },
    ],
    examples: [
      ['keywright init --root-key-file /etc/app/root.key', 'a new installation with a root key in a file'],
      ['keywright init --unsealed', 'try it out without any secret; refused in production'],
    ],
    load: async () => (await import('../commands/init.ts')).init,
  },
  {
    name: 'doctor',
    summary: 'check everything: runtime, environment, files, providers, store, audit log',
    details:
      'Tries each provider with a real wrap and unwrap. Goes on after what it finds. Exit code 1 when a check failed; ' +
      'warnings leave it at 0.',
    options: [
      {
        flags: '--fix-hints',
        description: 'print the least-privilege policy of each provider for this configuration',
      },
    ],
    examples: [
      ['keywright doctor', 'a check list with what to do about each finding'],
      ['keywright doctor --fix-hints', 'with the IAM policy, Vault policy or role that is enough'],
    ],
    load: async () => (await import('../commands/doctor.ts')).doctor,
  },
  {
    name: 'config',
    summary: 'show the value of each setting and where it comes from',
    details: 'Secrets are never shown, only whether they are set.',
    examples: [['keywright config', 'all settings of the selected backend']],
    load: async () => (await import('../commands/config.ts')).config,
  },
  {
    name: 'completion <shell>',
    summary: 'print a completion script for bash, zsh or fish',
    examples: [
      ['source <(keywright completion bash)', 'for this shell; put the line into ~/.bashrc to keep it'],
      ['keywright completion fish > ~/.config/fish/completions/keywright.fish', 'for fish'],
    ],
    load: async () => (await import('../commands/completion.ts')).completion,
  },
]
