/** One installation and one table of old values, opened by the test and by the processes that it kills. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fileProvider, { createKeyFile } from '../../providers/file.ts'
import { openSource, type SourceConfig } from '../../sources/index.ts'
import type { RowsPlace } from '../../src/jobs/places.ts'
import { Keywright } from '../../src/keywright.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { policyWith } from '../kit/world.ts'

export const FERNET = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4='
export const NEW_FERNET = 'VGhpcyBpcyAzMiBieXRlcyBvZiBrZXkgbWF0ZXJpYWw='

/** Everything that opens it, as JSON. */
export interface Installation {
  readonly folder: string
  readonly secret: string
  readonly source: SourceConfig
  readonly columns: RowsPlace['columns']
}

export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'keywright-migrate-'))
}

export async function newInstallation(
  folder: string,
  source: SourceConfig,
  columns: RowsPlace['columns'],
): Promise<Installation> {
  const bytes = randomBytes(32)
  await createKeyFile({ path: join(folder, 'master.keys'), rootSecret: { kind: 'key', bytes } })
  await (await openSqliteStore({ path: join(folder, 'keys.db'), create: true })).close?.()
  return { folder, secret: bytes.toString('base64'), source, columns }
}

export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true })

export async function openInstallation({
  columns,
  folder,
  secret,
  source,
}: Installation): Promise<Keywright> {
  const migration = { untilMs: Date.now() + 3_600_000, reads: ['plain', 'fernet'] }
  const place: RowsPlace = { kind: 'rows', name: source.name, columns, open: () => openSource(source) }
  return new Keywright({
    provider: fileProvider({
      path: join(folder, 'master.keys'),
      name: 'memory',
      rootSecret: { kind: 'key', bytes: Buffer.from(secret, 'base64') },
    }),
    store: await openSqliteStore({ path: join(folder, 'keys.db') }),
    policy: policyWith({ pii: { migration } }),
    places: [place],
  })
}
