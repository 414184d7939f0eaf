/** The rows of a PostgreSQL table for the re-encryption bench, and the same work without cryptography with bare pg. */
import pg from 'pg'
import postgresSource from '../sources/postgres.ts'
import { startEmulator } from '../src/testing/start.ts'
import { BATCH, type Ground } from './reencrypt-ground.ts'

const FILL_ROWS = 10_000
const ROUND_TRIPS = 2_000
const UPDATE =
  'UPDATE people SET email = w.b FROM unnest($1::int[], $2::text[], $3::text[]) AS w(id, a, b)' +
  ' WHERE people.id = w.id AND people.email = w.a'

export async function postgresGround(): Promise<Ground> {
  const server = await startEmulator('postgres', { kind: 'native' })
  const url = server.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    name: 'PostgreSQL',
    async fill(values) {
      await client.query(
        'DROP TABLE IF EXISTS base; CREATE TABLE base (id int PRIMARY KEY, email text NOT NULL)',
      )
      for (let from = 0; from < values.length; from += FILL_ROWS) {
        await client.query(
          'INSERT INTO base SELECT $1 + n, v FROM unnest($2::text[]) WITH ORDINALITY AS x(v, n)',
          [from, values.slice(from, from + FILL_ROWS)],
        )
      }
    },
    async reset() {
      await client.query('DROP TABLE IF EXISTS people; CREATE TABLE people (LIKE base INCLUDING ALL)')
      await client.query('INSERT INTO people SELECT * FROM base')
      await client.query('VACUUM ANALYZE people')
      await client.query('CHECKPOINT').catch(() => undefined) // only a superuser may
    },
    source: (name) => postgresSource({ name, url, table: 'people' }),
    async bare() {
      for (let after = 0, rows = BATCH; rows === BATCH; ) {
        const { rows: found } = await client.query<{ id: number; email: string }>({
          name: 'page',
          text: 'SELECT id, email FROM people WHERE id > $1 ORDER BY id LIMIT $2',
          values: [after, BATCH],
        })
        const ids = found.map(({ id }) => id)
        const from = found.map(({ email }) => email)
        const to = from.map((value) => `kw2.${value.slice(4)}`)
        await client.query({ name: 'update', text: UPDATE, values: [ids, from, to] })
        rows = found.length
        after = ids.at(-1) ?? after
      }
    },
    async roundTripMs() {
      const startedAt = performance.now()
      for (let trip = 0; trip < ROUND_TRIPS; trip++) await client.query('SELECT 1')
      return (performance.now() - startedAt) / ROUND_TRIPS
    },
    async close() {
      await client.end()
      await server.stop()
    },
  }
}
