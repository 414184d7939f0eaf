/** PostgreSQL, Redis and an installation of Keywright for the tests of the work queue. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { createKeyFile } from '../../../providers/file.ts'
import type { Keywright } from '../../../src/index.ts'
import { type PostgresServer, postgres } from '../../../src/testing/native/postgres.ts'
import { type RedisServer, redis, startRedis } from '../../../src/testing/native/redis.ts'
import sqliteStore from '../../../stores/sqlite.ts'
import { serverFor } from '../../kit/servers.ts'
import { fieldOf, openWorld, TABLE, type World } from './world.ts'

/** Why the tests are skipped; undefined when both servers are there. */
export const skip = (await serverFor(postgres)).skip ?? (await serverFor(redis)).skip

const BATCH = 5_000

export interface Lab {
  readonly world: World
  readonly redis: RedisServer
  readonly sql: pg.Pool
  /** This process's Keywright. */
  readonly keywright: Keywright
  stop(): Promise<void>
}

export async function startLab(): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-queue-'))
  const [database, queue] = (await Promise.all([postgres.start(), startRedis()])) as [
    PostgresServer,
    RedisServer,
  ]
  const rootKey = randomBytes(32)
  const world: World = {
    keyFile: join(folder, 'master.keys'),
    rootKey: rootKey.toString('base64'),
    storeFile: join(folder, 'keys.db'),
    database: database.env['ENCRYPTION_KEY_STORE_URL'] ?? '',
    redis: `redis://:${queue.password}@127.0.0.1:${queue.port}/0`,
    prefix: 'test',
  }
  await createKeyFile({ path: world.keyFile, rootSecret: { kind: 'key', bytes: rootKey } })
  const store = await sqliteStore({ path: world.storeFile, create: true })
  await store.close?.()
  const keywright = await openWorld(world)
  const sql = new pg.Pool({ connectionString: world.database, max: 2 })
  sql.on('error', () => undefined)
  return {
    world,
    redis: queue,
    sql,
    keywright,
    async stop() {
      await keywright.close()
      await sql.end()
      await Promise.all([database.stop(), queue.stop()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The value that row `id` has at first. */
export const firstValue = (id: number): string => `row ${id}`

/**
 * A table with so many rows. The server itself counts in `touched` how often each row was written by anybody but the
 * application, which calls itself "writer".
 */
export async function fillTable({ keywright, sql }: Lab, rows: number): Promise<void> {
  await sql.query(`DROP TABLE IF EXISTS ${TABLE}`)
  await sql.query(
    `CREATE TABLE ${TABLE} (id bigint PRIMARY KEY, ssn text, touched int NOT NULL DEFAULT 0) WITH (fillfactor = 50)`,
  )
  const field = fieldOf(keywright)
  await field.ready()
  for (let from = 1; from <= rows; from += BATCH) {
    const ids = Array.from({ length: Math.min(BATCH, rows - from + 1) }, (_, at) => from + at)
    const values = ids.map((id) => field.encryptSync(firstValue(id), { row: String(id) }))
    await sql.query(`INSERT INTO ${TABLE} (id, ssn) SELECT * FROM unnest($1::bigint[], $2::text[])`, [
      ids,
      values,
    ])
  }
  await sql.query(`
    CREATE OR REPLACE FUNCTION count_touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('application_name') <> 'writer' THEN NEW.touched := OLD.touched + 1; END IF;
      RETURN NEW;
    END $$`)
  await sql.query(
    `CREATE TRIGGER touch BEFORE UPDATE ON ${TABLE} FOR EACH ROW EXECUTE FUNCTION count_touch()`,
  )
}

/** All rows, with what the server counted. */
export async function readTable({
  sql,
}: Lab): Promise<readonly { id: number; ssn: string; touched: number }[]> {
  const { rows } = await sql.query(`SELECT id::int, ssn, touched FROM ${TABLE} ORDER BY id`)
  return rows as { id: number; ssn: string; touched: number }[]
}
