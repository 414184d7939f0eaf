/** Dumps of real servers through the pipe: PostgreSQL and Redis come back with what was in them. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findProgram } from '../../src/testing/native/debian.ts'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import { redis, startRedis } from '../../src/testing/native/redis.ts'
import { Workplace } from '../e2e/cli-kit.ts'
import { serverFor } from '../kit/servers.ts'

const run = promisify(execFile)

let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  await place.init()
})
afterEach(() => place.leave())

const created = async (argv: readonly string[], env: Record<string, string | undefined>): Promise<string> => {
  const result = await place.keywright(['backup', 'create', '--to', 'backups', ...argv], { env })
  expect(result).toMatchObject({ code: 0 })
  return result.out.trim()
}

const database = await serverFor(postgres)

describe.skipIf(database.skip)(`PostgreSQL ${database.skip ?? ''}`, () => {
  let server: PostgresServer
  let pool: pg.Pool
  beforeAll(async () => {
    server = await postgres.start()
    pool = new pg.Pool({ connectionString: server.adminUrl })
    // The pool does not wait for its connections to close: the server may end first and tell them so.
    pool.on('connect', (client) => client.on('error', () => undefined))
    await pool.query('CREATE TABLE people (id int PRIMARY KEY, name text)')
    await pool.query("INSERT INTO people SELECT n, 'person ' || n FROM generate_series(1, 20000) n")
    await pool.query('CREATE DATABASE restored')
  })
  afterAll(async () => {
    await pool?.end()
    await server?.stop()
  })

  it('a dump of pg_dump comes back through pg_restore', async () => {
    const url = new URL(server.adminUrl)
    const env = {
      PATH: process.env['PATH'],
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: url.username,
      PGPASSWORD: url.password,
    }
    const id = await created(['--name', 'pg', '--zstd', '--', 'pg_dump', '-Fc', url.pathname.slice(1)], env)
    const restored = await place.keywright(['backup', 'restore', id, '--from', 'backups', '--to', 'pg.dump'])
    expect(restored).toMatchObject({ code: 0 })
    await run('pg_restore', ['-d', 'restored', join(place.folder, 'pg.dump')], { env })
    url.pathname = '/restored'
    const again = new pg.Client({ connectionString: url.href })
    await again.connect()
    const { rows } = await again.query('SELECT count(*)::int AS count, max(name) AS last FROM people')
    await again.end()
    expect(rows).toEqual([{ count: 20_000, last: 'person 9999' }])
  })

  it('a dump that fails is no backup, and the password is told nowhere', async () => {
    const url = new URL(server.adminUrl)
    const argv = ['backup', 'create', '--to', 'backups', '--name', 'pg', '--']
    const { code, err, out } = await place.keywright(
      [...argv, 'pg_dump', '-h', url.hostname, '-p', url.port, '-U', url.username, 'no_such_database'],
      { env: { PATH: process.env['PATH'], PGPASSWORD: url.password } },
    )
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain('no_such_database')
    expect(err).toContain('exit code 1: there is no backup (ERR_INPUT_INVALID)')
    expect(err).not.toContain(url.password)
    expect(await place.json(['backup', 'list', '--from', 'backups'])).toEqual([])
  })
})

const cache = await serverFor(redis)

describe.skipIf(cache.skip)(`Redis ${cache.skip ?? ''}`, () => {
  it('a snapshot of redis-cli --rdb starts another server with the same keys', async () => {
    const cli = findProgram('redis-cli') ?? 'redis-cli'
    // It would wait five seconds for other replicas.
    await using source = await startRedis({ settings: ['repl-diskless-sync-delay 0'] })
    const client = new Redis(source.port, '127.0.0.1', { password: source.password })
    await client.mset(...Array.from({ length: 5000 }, (_, n) => [`key ${n}`, `value ${n}`]).flat())
    await client.quit()
    const env = { PATH: process.env['PATH'], REDISCLI_AUTH: source.password }
    const id = await created(['--name', 'redis', '--', cli, '-p', String(source.port), '--rdb', '-'], env)
    const to = join(place.folder, 'dump.rdb')
    expect(await place.keywright(['backup', 'restore', id, '--from', 'backups', '--to', to])).toMatchObject({
      code: 0,
    })

    const folder = await mkdtemp(join(tmpdir(), 'keywright-rdb-'))
    await cp(to, join(folder, 'dump.rdb'))
    try {
      await using target = await startRedis({ settings: [`dir ${folder}`, 'appendonly no'] })
      const again = new Redis(target.port, '127.0.0.1', { password: target.password })
      expect(await again.dbsize()).toBe(5000)
      expect(await again.get('key 4321')).toBe('value 4321')
      await again.quit()
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
