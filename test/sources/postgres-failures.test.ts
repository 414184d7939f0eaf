/** The PostgreSQL source when connections break, locks are held and signals stop it. */
import { createServer, type Socket } from 'node:net'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { failure, postgresSourceLab, skip } from './postgres-kit.ts'

const lab = postgresSourceLab()

const TABLE =
  "CREATE TABLE users (id int PRIMARY KEY, c text); INSERT INTO users SELECT g, 'old' FROM generate_series(1, 50) g"
const WRITES = Array.from({ length: 50 }, (_, at) => ({ key: String(at + 1), from: ['old'], to: ['new'] }))
const CHECKPOINT = { name: 'job', text: '50' }

/** A connection of the application that holds row 7 until it is told to let go. */
async function blocked(schema: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: lab.url })
  client.on('error', () => undefined)
  await client.connect()
  await client.query(`BEGIN; UPDATE ${schema}.users SET c = c WHERE id = 7`)
  return () => client.end()
}

/** Waits until a statement of the source waits for a lock; resolves to its process. */
async function waiting(): Promise<number> {
  let pid: unknown
  await expect
    .poll(
      async () => {
        const rows = await lab.sql(
          "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH done%'",
        )
        pid = rows[0]?.['pid']
        return pid
      },
      { timeout: 20_000 },
    )
    .toBeDefined()
  return Number(pid)
}

const state = async (schema: string): Promise<string[]> =>
  (await lab.sql(`SELECT DISTINCT c FROM ${schema}.users`)).map((row) => String(row['c']))

/** What waits for the server, on a loaded machine. */
const LATER = { timeout: 20_000 }

describe.skipIf(skip)('postgres source', () => {
  it('loses its connection in the middle of a chunk: nothing of it happened, and it is done when asked again', async () => {
    const schema = await lab.newSchema(TABLE)
    const source = lab.open(schema)
    const request = { columns: ['c'], rows: WRITES, checkpoint: CHECKPOINT }
    await source.write({ ...request, rows: [], checkpoint: { name: 'job', text: '0' } })
    const release = await blocked(schema)
    const writing = source.write(request).catch((thrown: unknown) => thrown)
    await lab.sql('SELECT pg_terminate_backend($1)', [await waiting()])
    expect(await writing).toEqual(failure('ERR_SOURCE_UNAVAILABLE', 'try again'))
    expect(await state(schema)).toEqual(['old'])
    expect(await source.checkpoints?.read('job')).toBe('0')
    await release()
    expect(await source.write(request)).toEqual(WRITES.map(() => 'written'))
    expect(await source.checkpoints?.read('job')).toBe('50')
  })

  it('loses the answer to a chunk that was done: reading shows it', async () => {
    const schema = await lab.newSchema(TABLE)
    const proxy = await answerLosingProxy(Number(new URL(lab.url).port))
    const url = new URL(lab.url)
    url.port = String(proxy.port)
    const source = lab.open(schema, { url: url.href })
    await source.write({ columns: ['c'], rows: [], checkpoint: { name: 'job', text: '0' } })
    await source.read({ columns: ['c'], limit: 1 })
    proxy.loseAnswers()
    const writing = source.write({ columns: ['c'], rows: WRITES, checkpoint: CHECKPOINT })
    await expect.poll(() => state(schema), LATER).toEqual(['new'])
    proxy.breakAll()
    await expect(writing).rejects.toEqual(failure('ERR_SOURCE_UNAVAILABLE', 'wholly or not at all'))
    expect(
      (await source.read({ columns: ['c'], limit: 99 })).rows.every(({ values }) => values[0] === 'new'),
    ).toBe(true)
    expect(await source.checkpoints?.read('job')).toBe('50')
    await proxy.close()
  })

  it('is there again after the server crashed', async () => {
    const schema = await lab.newSchema(TABLE)
    const source = lab.open(schema)
    await source.write({ columns: ['c'], rows: WRITES, checkpoint: CHECKPOINT })
    await lab.server.restart('SIGQUIT')
    const read = () => source.read({ columns: ['c'], limit: 1 }).then(({ rows }) => rows[0]?.values)
    await expect.poll(() => read().catch(() => undefined), LATER).toEqual(['new'])
    expect(await source.checkpoints?.read('job')).toBe('50')
  })

  it('stops a write that waits for a lock when its signal says so: nothing of it happened', async () => {
    const schema = await lab.newSchema(TABLE)
    const source = lab.open(schema)
    const release = await blocked(schema)
    const stop = new AbortController()
    const writing = source
      .write({ columns: ['c'], rows: WRITES, signal: stop.signal })
      .catch((thrown: unknown) => thrown)
    await waiting()
    stop.abort()
    expect(await writing).toEqual(failure('ERR_ABORTED'))
    await release()
    expect(await state(schema)).toEqual(['old'])
    expect(await source.write({ columns: ['c'], rows: WRITES })).toEqual(WRITES.map(() => 'written'))
  })

  it('stops in a pool of the application as well', async () => {
    const schema = await lab.newSchema(TABLE)
    const pool = new pg.Pool({ connectionString: lab.url, max: 1 })
    lab.keep({ close: () => pool.end() })
    const source = lab.open(schema, { pool })
    const release = await blocked(schema)
    const stop = new AbortController()
    const writing = source
      .write({ columns: ['c'], rows: WRITES, signal: stop.signal })
      .catch((thrown: unknown) => thrown)
    await waiting()
    stop.abort()
    expect(await writing).toEqual(failure('ERR_ABORTED'))
    await release()
  })

  it('gives up waiting for a lock after its time', async () => {
    const schema = await lab.newSchema(TABLE)
    const release = await blocked(schema)
    const writing = lab.open(schema, { lockTimeoutMs: 50 }).write({ columns: ['c'], rows: WRITES })
    await expect(writing).rejects.toEqual(failure('ERR_SOURCE_UNAVAILABLE', 'locks'))
    await release()
    expect(await state(schema)).toEqual(['old'])
  })

  it('gives up a statement after its time', async () => {
    const schema = await lab.newSchema(TABLE)
    const release = await blocked(schema)
    const writing = lab.open(schema, { statementTimeoutMs: 60 }).write({ columns: ['c'], rows: WRITES })
    await expect(writing).rejects.toEqual(failure('ERR_SOURCE_UNAVAILABLE', 'try again'))
    await release()
  })

  it('sees what another transaction changed while it waited, and leaves it', async () => {
    const schema = await lab.newSchema(TABLE)
    const source = lab.open(schema)
    const client = new pg.Client({ connectionString: lab.url })
    await client.connect()
    await client.query(
      `BEGIN; UPDATE ${schema}.users SET c = 'theirs' WHERE id = 7; DELETE FROM ${schema}.users WHERE id = 8`,
    )
    const writing = source.write({ columns: ['c'], rows: WRITES.slice(5, 9) })
    await waiting()
    await client.query('COMMIT')
    await client.end()
    expect(await writing).toEqual(['written', 'changed', 'gone', 'written'])
    expect(await lab.sql(`SELECT c FROM ${schema}.users WHERE id BETWEEN 6 AND 9 ORDER BY id`)).toEqual(
      ['new', 'theirs', 'new'].map((c) => ({ c })),
    )
  })
})

/** Stands between a client and a server, and can keep what the server answers. */
async function answerLosingProxy(target: number) {
  const { connect } = await import('node:net')
  const sockets = new Set<Socket>()
  let lost = false
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    client.pipe(upstream)
    upstream.on('data', (bytes) => {
      if (!lost) client.write(bytes)
    })
    upstream.on('end', () => client.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const breakAll = (): void => {
    lost = false
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as { port: number }).port,
    loseAnswers: () => {
      lost = true
    },
    breakAll,
    close: async () => {
      breakAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
