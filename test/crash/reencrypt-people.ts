/** A table of people in a SQLite file, beside key store and key file, as several processes open it. */
import { join } from 'node:path'
import sqliteSource from '../../sources/sqlite.ts'
import { open } from '../../src/index.ts'
import type { RowsPlace } from '../../src/jobs/places.ts'
import type { Keywright } from '../../src/keywright.ts'

/** Sealed by nothing that matters. */
const MASTER_KEY = Buffer.from('sealed by 32 bytes of no account').toString('base64')

export const databasePath = (folder: string): string => join(folder, 'app.db')

/** The application's Keywright; with `create` a new one. */
export function openPeople(folder: string, create = false): Promise<Keywright> {
  const people: RowsPlace = {
    kind: 'rows',
    name: 'people',
    columns: { email: { row: 'id' } },
    open: async () => sqliteSource({ name: 'people', path: databasePath(folder), table: 'people' }),
  }
  return open({
    backend: 'file',
    path: join(folder, 'master.keys'),
    storeUrl: `sqlite:${join(folder, 'keys.db')}`,
    audit: false,
    masterKey: MASTER_KEY,
    environment: {},
    places: [people],
    create,
  })
}
