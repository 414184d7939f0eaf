/** Commands on the key store itself. */
import type { CommandSpec } from '../call.ts'

export const storeSpecs: readonly CommandSpec[] = [
  {
    name: 'store',
    summary: 'show the key store and copy it into another one',
    commands: [
      {
        name: 'show',
        summary: 'show where the key store is, its version, what is in it, and what to know about it',
        examples: [['keywright store show', 'the store that is configured']],
        load: async () => (await import('../commands/store-show.ts')).showStore,
      },
      {
        name: 'copy',
        summary: 'copy all keys into another store, verified; the data stays as it is',
        details:
          'Makes the target if there is none. Applications may go on while it copies: it goes over the changes again ' +
          'until both are alike. Before the last run stop what writes, then set ENCRYPTION_KEY_STORE_URL to the new ' +
          'store. It may be stopped at any point and run again. Exit code 1 when the source kept changing.',
        options: [
          { flags: '--from <url>', description: 'the store to copy (default: the one that is configured)' },
          { flags: '--to <url>', description: 'where to: sqlite:./keys.db, postgres://…, redis://…' },
          { flags: '--dry-run', description: 'only compare and count' },
          {
            flags: '--take-over',
            description: 'do not wait for another copy or job on the target that is known to be gone',
          },
        ],
        examples: [
          [
            'keywright store copy --to postgres://keys@db.internal/app?sslmode=verify-full --dry-run',
            'counts',
          ],
          ['keywright store copy --from sqlite:./keys.db --to sqlite:/backup/keys.db', 'a verified copy'],
        ],
        load: async () => (await import('../commands/store-copy.ts')).copyStoreCommand,
      },
    ],
  },
]
