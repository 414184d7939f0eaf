/** Commands on data keys and master keys. */
import type { CommandSpec, OptionSpec } from '../call.ts'
import { KEY_TYPE, TENANT, YES } from './common.ts'

const REASON: OptionSpec = { flags: '--reason <text>', description: 'why, for the audit log' }
const OVERRIDE: OptionSpec = {
  flags: '--override-reason <text>',
  description: 'how you made sure that nothing needs the data any more; for the audit log',
}
const PROVIDER: OptionSpec = {
  flags: '--provider <name>',
  description: 'the provider, where there are several',
}
const DRY_RUN: OptionSpec = { flags: '--dry-run', description: 'only count' }
const STATES = ['pending', 'active', 'deactivated', 'suspended', 'compromised', 'destroyed']

const keys: readonly CommandSpec[] = [
  {
    name: 'list',
    summary: 'list all keys with state, age and next rotation',
    options: [
      KEY_TYPE,
      TENANT,
      { flags: '--state <name>', description: 'only keys in this state', choices: STATES },
      { flags: '--due', description: 'only keys that are due to be rotated' },
    ],
    examples: [['keywright keys list --key-type pii', 'the keys of one key type']],
    load: async () => (await import('../commands/keys-list.ts')).listKeys,
  },
  {
    name: 'show <id>',
    summary: 'show everything about one key but the key',
    examples: [['keywright keys show 2130706433', 'dates, usage, wraps']],
    load: async () => (await import('../commands/keys-list.ts')).showKey,
  },
  {
    name: 'create <key-type>',
    summary: 'make the first key of a keyring; an existing one is left as it is',
    options: [TENANT],
    examples: [['keywright keys create pii --tenant acme', 'the keyring pii/acme']],
    load: async () => (await import('../commands/keys-change.ts')).createKey,
  },
  {
    name: 'rotate [key-type]',
    summary: 'make the next key of a keyring when it is due',
    details:
      'The new key encrypts one refresh period later, when every process knows it; with --now at once.',
    options: [
      TENANT,
      { flags: '--now', description: 'the new key encrypts at once' },
      { flags: '--force', description: 'rotate although it is not due' },
      { flags: '--due', description: 'every keyring that is due, instead of one key type' },
      REASON,
    ],
    examples: [
      ['keywright keys rotate --due', 'all that is due; for a daily timer'],
      ['keywright keys rotate pii --force --now --reason "laptop lost"', 'at once'],
    ],
    load: async () => (await import('../commands/keys-change.ts')).rotateKeys,
  },
  {
    name: 'suspend <id>',
    summary: 'put a key out of use until it is resumed',
    options: [REASON],
    examples: [
      [
        'keywright keys suspend 2130706433 --reason "under investigation"',
        'it neither encrypts nor decrypts',
      ],
    ],
    load: async () => (await import('../commands/keys-change.ts')).suspendKey,
  },
  {
    name: 'resume <id>',
    summary: 'put a suspended key back into use',
    options: [REASON],
    examples: [['keywright keys resume 2130706433', 'as before']],
    load: async () => (await import('../commands/keys-change.ts')).resumeKey,
  },
  {
    name: 'revoke <id>',
    summary: 'mark a key as compromised, for good; an active one is replaced first',
    options: [REASON, YES],
    examples: [['keywright keys revoke 2130706433 --reason "found in a log file"', 'the reason is required']],
    load: async () => (await import('../commands/keys-destroy.ts')).revokeKey,
  },
  {
    name: 'cleanup',
    summary: 'destroy keys that are past max age and grace and that the census found empty',
    details:
      'Lists them, and what is missing for each that stays; asks before it destroys any. --override-reason is needed ' +
      'only where the census does not show that a key is empty.',
    options: [OVERRIDE, { flags: '--dry-run', description: 'only list, whatever else is given' }, YES],
    examples: [
      ['keywright keys cleanup --dry-run', 'only lists'],
      ['keywright keys cleanup --yes', 'destroys those that are empty'],
    ],
    load: async () => (await import('../commands/keys-destroy.ts')).cleanupKeys,
  },
  {
    name: 'destroy <id>',
    summary: 'destroy a key: what it encrypted is lost for ever',
    details:
      'The key must have been replaced, its grace period be over, and the census have found nothing under it for as ' +
      'long. What is missing is told with the command that does it; --override-reason goes on without a census.',
    options: [OVERRIDE, YES],
    examples: [
      ['keywright keys destroy 2130706433', 'asks for the id once more'],
      ['keywright keys destroy 2130706433 --override-reason "table dropped"', 'without a census'],
    ],
    load: async () => (await import('../commands/keys-destroy.ts')).destroyKey,
  },
]

export const keySpecs: readonly CommandSpec[] = [
  { name: 'keys', summary: 'list, rotate, suspend, revoke and destroy data keys', commands: keys },
  {
    name: 'master',
    summary: 'show and rotate master keys',
    commands: [
      {
        name: 'show',
        summary: 'show the master key of each provider and how many wraps are behind it',
        examples: [['keywright master show', 'id, version, state']],
        load: async () => (await import('../commands/master.ts')).showMaster,
      },
      {
        name: 'rotate',
        summary: 'make a new master key version; `rewrap` then brings the data keys under it',
        options: [PROVIDER],
        examples: [['keywright master rotate && keywright rewrap', 'both steps']],
        load: async () => (await import('../commands/master.ts')).rotateMaster,
      },
    ],
  },
  {
    name: 'rewrap',
    summary: 'wrap data keys anew under the current master key version',
    details: 'Data and data keys stay as they are. It may be stopped at any point and run again.',
    options: [
      { flags: '--provider <name>', description: 'only wraps of this provider' },
      { flags: '--keyring <name>', description: 'only this keyring, as pii or pii/acme' },
      {
        flags: '--every <duration>',
        description: 'again and again, after this pause ("1h"), until it is stopped: follows the service',
      },
      DRY_RUN,
    ],
    examples: [
      ['keywright rewrap --dry-run', 'how many would be renewed'],
      ['keywright rewrap --every 6h', 'as a service: what the KMS rotates by itself is followed'],
    ],
    load: async () => (await import('../commands/master.ts')).rewrap,
  },
  {
    name: 'stats',
    summary: 'count keys by state, type and provider, and what is due',
    examples: [['keywright stats --json', 'for a monitor']],
    load: async () => (await import('../commands/stats.ts')).stats,
  },
]
