/** Commands on the wraps of keys: moves between providers, repair, drills. */
import type { CommandSpec, OptionSpec } from '../call.ts'
import { KEY_TYPE, TENANT } from './common.ts'

const SELECTION: readonly OptionSpec[] = [
  KEY_TYPE,
  TENANT,
  { flags: '--keyring <name>', description: 'only this keyring, as pii or pii/acme' },
]
const RUN: readonly OptionSpec[] = [
  { flags: '--concurrency <n>', description: 'keys at once, 4 by default' },
  { flags: '--reason <text>', description: 'why, for the audit log' },
]
const CHANGE: readonly OptionSpec[] = [
  ...RUN,
  { flags: '--take-over', description: 'go on although another job seems to run: it is known to be dead' },
  { flags: '--report <path>', description: 'write the whole report as JSON, into a new file' },
]

export const jobSpecs: readonly CommandSpec[] = [
  {
    name: 'move',
    summary: 'move data keys from one provider to another while applications use them',
    details:
      'Each key gets a wrap by the new provider, which must give it back; then the new wrap is preferred; after a ' +
      'window the old one is removed. Data stays as it is. It may be stopped or killed at any point and run again, ' +
      'and be rolled back until the last step. Exit code 1 unless it went as far as it was to go; a window that is ' +
      'not over yet is no failure.',
    options: [
      { flags: '--from <provider>', description: 'the provider that wraps the keys now' },
      { flags: '--to <provider>', description: 'the provider that is to wrap them' },
      ...SELECTION,
      { flags: '--dry-run', description: 'only tell what would be done, and how far it has got' },
      {
        flags: '--step <name>',
        description: 'go only so far',
        choices: ['all', 'add', 'prefer', 'remove'],
      },
      {
        flags: '--window <time>',
        description: 'how long both wraps stay, as 1h or 0s; by default the longest cache of the policy',
      },
      { flags: '--rollback', description: 'undo a move whose last step has not begun' },
      ...CHANGE,
    ],
    examples: [
      ['keywright move --from file --to vault --dry-run', 'counts, calls, warnings'],
      ['keywright move --from file --to vault', 'moves; run it again when the window is over'],
      ['keywright move --from file --to vault --rollback', 'as it was before'],
    ],
    load: async () => (await import('../commands/move.ts')).move,
  },
  {
    name: 'repair',
    summary: 'add the wraps that the policy wants and keys lack',
    details: 'Each new wrap must give the key back. Exit code 1 while wraps are missing.',
    options: [
      ...SELECTION,
      { flags: '--prune', description: 'also remove wraps by providers that the policy does not want' },
      { flags: '--dry-run', description: 'only count' },
      ...CHANGE,
    ],
    examples: [['keywright repair --dry-run', 'what is missing, by provider']],
    load: async () => (await import('../commands/repair.ts')).repair,
  },
  {
    name: 'drill',
    summary: 'tell which keys would be lost if providers were gone, by opening every key with the others',
    details: 'Nothing is changed. Exit code 1 when a key would be lost.',
    options: [
      { flags: '--without <names>', description: 'providers that are taken to be gone, joined by commas' },
      { flags: '--only <names>', description: 'providers that are taken to be all that is left' },
      ...SELECTION,
      ...RUN,
    ],
    examples: [
      ['keywright drill --without aws', 'what if AWS were gone'],
      ['keywright drill --only file --json', 'whether the file opens everything'],
    ],
    load: async () => (await import('../commands/drill.ts')).drill,
  },
]
