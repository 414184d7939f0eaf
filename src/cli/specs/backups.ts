/** Commands on backups. */
import type { CommandSpec, OptionSpec } from '../call.ts'
import { KEY_TYPE, TENANT, YES } from './common.ts'

const FROM: OptionSpec = {
  flags: '--from <folder>',
  description: 'the folder of backups (ENCRYPTION_BACKUP_PATH)',
}
const NAME: OptionSpec = { flags: '--name <name>', description: 'only backups of this name' }
const REASON: OptionSpec = { flags: '--reason <text>', description: 'why, for the audit log' }
const RULES: readonly OptionSpec[] = [
  { flags: '--keep <n>', description: 'keep so many of each name, the newest' },
  { flags: '--keep-days <n>', description: 'keep those younger than so many days' },
  { flags: '--keep-last', description: 'keep the newest one: --keep 1' },
]
const WITHOUT_STORE: OptionSpec = {
  flags: '--without-store',
  description: 'open it with the providers alone, by the wrapped key in it: for when the key store is lost',
}
const ALLOW_UNENCRYPTED: OptionSpec = {
  flags: '--allow-unencrypted',
  description: 'take a backup that is not encrypted: anybody may have written it',
}

export const backupSpecs: readonly CommandSpec[] = [
  {
    name: 'backup',
    summary: 'make, list, verify, restore and remove encrypted backups',
    commands: [
      {
        name: 'create [command...]',
        summary: 'back up a folder, a SQLite database, or what a program prints',
        details:
          'The program stands behind "--"; when it fails, there is no backup. With --stdin nobody can tell a dump that ' +
          'was cut from one that is whole. With --keep and --keep-days older backups of the name go afterwards.',
        options: [
          { flags: '--name <name>', description: 'what it is a backup of, as app-db' },
          { flags: '--to <folder>', description: 'the folder of backups (ENCRYPTION_BACKUP_PATH)' },
          { flags: '--folder <path>', description: 'back up a folder' },
          { flags: '--sqlite <path>', description: 'back up a SQLite database, which may be in use' },
          { flags: '--stdin', description: 'back up what comes on standard input' },
          { flags: '--zstd', description: 'compress: the length then tells more of the content' },
          { ...KEY_TYPE, description: 'the key type that encrypts it, backups by default' },
          TENANT,
          {
            flags: '--scratch <folder>',
            description: 'folder for the copy of a SQLite database, in clear; by default its own folder',
          },
          { flags: '--allow-empty', description: 'take an input without a byte' },
          {
            flags: '--allow-unencrypted',
            description: 'in production, too, let BACKUP_ENCRYPTION_ENABLED=false write it in clear',
          },
          ...RULES,
          REASON,
        ],
        examples: [
          ['keywright backup create --name uploads --folder /srv/uploads', 'a folder'],
          [
            'keywright backup create --name app-db --sqlite /srv/app.db --keep 7',
            'a database that is in use',
          ],
          [
            'keywright backup create --name pg --zstd -- pg_dump --format=custom mydb',
            'a dump of PostgreSQL',
          ],
          ['redis-cli --rdb - | keywright backup create --name redis --stdin', 'a dump of Redis'],
        ],
        load: async () => (await import('../commands/backup-create.ts')).createBackupCommand,
      },
      {
        name: 'list',
        summary: 'list backups, the newest first, by their manifests; needs no key',
        options: [FROM, NAME],
        examples: [['keywright backup list --from /backups --json', 'for a program']],
        load: async () => (await import('../commands/backup-list.ts')).listBackupsCommand,
      },
      {
        name: 'verify [backup]',
        summary: 'read backups to their end, check every tag and checksum, restore nothing',
        details:
          'A backup is named by its id, its path, or "latest" with --name; without one all are read. Exit code 1 when one ' +
          'is damaged.',
        options: [FROM, NAME, WITHOUT_STORE, ALLOW_UNENCRYPTED],
        examples: [
          ['keywright backup verify --from /backups', 'all of them'],
          ['keywright backup verify latest --name app-db --from /backups', 'the newest of a name'],
        ],
        load: async () => (await import('../commands/backup-verify.ts')).verifyBackupsCommand,
      },
      {
        name: 'restore <backup>',
        summary: 'restore a backup into a new folder or file, or to standard output with --to -',
        details:
          'A backup is named by its id, its path, or "latest" with --name. Everything is checked before the target gets its ' +
          'name. To standard output a folder comes as a tar archive.',
        options: [
          { flags: '--to <path>', description: 'the new folder or file, or - for standard output' },
          FROM,
          NAME,
          { flags: '--force', description: 'replace what is there, all of it' },
          WITHOUT_STORE,
          ALLOW_UNENCRYPTED,
          REASON,
        ],
        examples: [
          ['keywright backup restore latest --name uploads --from /backups --to /srv/restored', 'the newest'],
          [
            'keywright backup restore latest --name keys --to .keywright/keys.db --without-store',
            'the key store itself',
          ],
        ],
        load: async () => (await import('../commands/backup-restore.ts')).restoreBackupCommand,
      },
      {
        name: 'prune',
        summary: 'remove old backups; the last good one of a name never goes',
        details:
          'The newest kept one of each name is read to its end first: while none is good, nothing goes.',
        options: [
          FROM,
          NAME,
          ...RULES,
          ALLOW_UNENCRYPTED,
          { flags: '--dry-run', description: 'only tell what would go' },
          REASON,
        ],
        examples: [
          ['keywright backup prune --from /backups --keep 7 --keep-days 30 --dry-run', 'what would go'],
        ],
        load: async () => (await import('../commands/backup-remove.ts')).pruneBackupsCommand,
      },
      {
        name: 'remove <id>',
        summary: 'remove one backup',
        options: [FROM, { flags: '--force', description: 'also the last good one of its name' }, YES, REASON],
        examples: [
          ['keywright backup remove 20260522T090000Z-1f2e3d4c5b6a --from /backups --yes', 'that one'],
        ],
        load: async () => (await import('../commands/backup-remove.ts')).removeBackupCommand,
      },
    ],
  },
]
