/** One installation whose values lie in PostgreSQL and whose work queue is in Redis, as each process opens it. */
import fileProvider from '../../../providers/file.ts'
import postgresSource from '../../../sources/postgres.ts'
import { createKeywright, type Keywright, parsePolicy } from '../../../src/index.ts'
import type { DataPlace } from '../../../src/jobs/places.ts'
import type { Source } from '../../../src/source.ts'
import sqliteStore from '../../../stores/sqlite.ts'

/** Goes to child processes as JSON. */
export interface World {
  readonly keyFile: string
  readonly rootKey: string
  readonly storeFile: string
  readonly database: string
  readonly redis: string
  readonly prefix: string
}

export const TABLE = 'people'
export const KEY_TYPE = 'pii'

/** How long a process may go on with what it has read of the keys. */
export const REFRESH_MS = 500

type Wrap = (source: Source) => Source

const place = ({ database }: World, wrap: Wrap): DataPlace => ({
  kind: 'rows',
  name: TABLE,
  columns: { ssn: { keyType: KEY_TYPE, row: 'id' } },
  open: async () => wrap(postgresSource({ name: TABLE, table: TABLE, url: database, maxConnections: 2 })),
})

/** `wrap` stands between Keywright and the table. */
export async function openWorld(world: World, wrap: Wrap = (source) => source): Promise<Keywright> {
  const rootSecret = { kind: 'key', bytes: Buffer.from(world.rootKey, 'base64') } as const
  return createKeywright({
    provider: fileProvider({ path: world.keyFile, rootSecret }),
    store: await sqliteStore({ path: world.storeFile }),
    policy: await parsePolicy(
      { defaults: { cache: { refresh: `${REFRESH_MS}ms`, ttl: '10m' }, grace: '0s' } },
      { provider: 'file' },
    ),
    places: [place(world, wrap)],
  })
}

/** The column as the application encrypts it. */
export const fieldOf = (keywright: Keywright) =>
  keywright.field(`${TABLE}.ssn`, { table: TABLE, column: 'ssn' })
