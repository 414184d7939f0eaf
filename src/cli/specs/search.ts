/** Commands on the search tokens of declared columns. */
import type { CommandSpec, OptionSpec } from '../call.ts'

const SOURCE: OptionSpec = {
  flags: '--source <name>',
  description: 'only this source of the policy document; may be given several times',
  repeat: true,
}

export const searchSpecs: readonly CommandSpec[] = [
  {
    name: 'index',
    summary: 'keep the search tokens of encrypted columns',
    details: 'Token columns are declared as "indexes" of an encrypted column, under "sources".',
    commands: [
      {
        name: 'rebuild',
        summary: 'make the tokens under the active index keys, and fill those that are missing',
        details:
          'Each value is decrypted, its tokens are made, and stored where they differ, by compare-and-set. It may be ' +
          'stopped or killed at any point and run again. Exit code 1 when values were left that do not open.',
        options: [
          SOURCE,
          { flags: '--column <name>', description: 'only the tokens of this encrypted column', repeat: true },
          { flags: '--batch <n>', description: 'rows at once, 1,000 by default' },
          { flags: '--rate <n>', description: 'rows a second at most' },
          { flags: '--restart', description: 'begin anew instead of going on where an earlier run was' },
          {
            flags: '--take-over',
            description: 'go on although another job seems to run: it is known to be dead',
          },
          { flags: '--reason <text>', description: 'why, for the audit log' },
          { flags: '--report <path>', description: 'write the whole report as JSON, into a new file' },
        ],
        examples: [
          ['keywright keys rotate blind_index --force', 'a new index key; look-ups use both'],
          ['keywright index rebuild', 'then its tokens in every row'],
        ],
        load: async () => (await import('../commands/index-rebuild.ts')).rebuildIndex,
      },
      {
        name: 'report',
        summary: 'tell what the token columns give away to whoever reads them',
        details: 'Reads the tokens, without any key: how often each one stands there, and what that means.',
        options: [
          { flags: '--source <name>', description: 'only this source of the policy document' },
          { flags: '--batch <n>', description: 'rows at once, 5000 by default' },
        ],
        examples: [['keywright index report --json', 'for a review']],
        load: async () => (await import('../commands/index-report.ts')).reportIndex,
      },
    ],
  },
]
