/** Commands that watch: health and the audit log. */
import type { CommandSpec } from '../call.ts'

export const auditSpecs: readonly CommandSpec[] = [
  {
    name: 'check',
    summary: 'tell the health of providers, store and policy',
    details: 'Exit code 1 when something failed; degraded leaves it at 0.',
    examples: [['keywright check --json', 'for a monitor']],
    load: async () => (await import('../commands/check.ts')).check,
  },
  {
    name: 'status',
    summary: 'tell the health, and which wraps are stale, missing or the only ones of their key',
    details:
      'Reads every key record. Exit code 1 when a check failed, or a key is wrapped by nobody who is configured.',
    examples: [['keywright status', 'after a rotation in the service: how many wraps are behind']],
    load: async () => (await import('../commands/status.ts')).status,
  },
  {
    name: 'audit',
    summary: 'read, verify and prune the audit log',
    commands: [
      {
        name: 'list',
        summary: 'list audit records, oldest first',
        options: [
          { flags: '--event <name>', description: 'only this event, as key.rotate' },
          { flags: '--keyring <name>', description: 'only this keyring, as pii or pii/acme' },
          { flags: '--key-id <id>', description: 'only this key' },
          {
            flags: '--since <time>',
            description: 'from this time on: 2026-05-01, 2026-05-01T09:00:00Z, or 7d for a span',
          },
          { flags: '--until <time>', description: 'before this time' },
          { flags: '--limit <n>', description: 'the first so many' },
          { flags: '--last <n>', description: 'the last so many' },
        ],
        examples: [
          ['keywright audit list --last 20', 'what happened last'],
          ['keywright audit list --event key.destroy --since 90d --json', 'JSON Lines'],
        ],
        load: async () => (await import('../commands/audit.ts')).listAudit,
      },
      {
        name: 'verify',
        summary: 'check that no record was edited, removed, inserted, reordered or cut',
        details: 'Exit code 1 when the log was changed.',
        examples: [['keywright audit verify', 'says where it was changed']],
        load: async () => (await import('../commands/audit.ts')).verifyAudit,
      },
      {
        name: 'prune',
        summary: "drop records older than the policy's retention, leaving a signed checkpoint",
        options: [
          { flags: '--reason <text>', description: 'why, for the audit log' },
          { flags: '--before <time>', description: 'older than this, instead of the retention' },
        ],
        examples: [['keywright audit prune --reason "yearly clean-up"', 'the chain stays whole']],
        load: async () => (await import('../commands/audit.ts')).pruneAudit,
      },
    ],
  },
]
