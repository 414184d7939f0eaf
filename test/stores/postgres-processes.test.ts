/** The PostgreSQL store under several processes, and under one that is killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { listAll, recordOf } from '../../src/testing/conformance/store-records.ts'
import type { PostgresStoreOptions } from '../../stores/postgres.ts'
import { postgresLab, skip } from './postgres-kit.ts'

const CHILD = fileURLToPath(new URL('./postgres-child.ts', import.meta.url))
const lab = postgresLab()
const WORKERS = [1, 2, 3, 4]

interface Outcome {
  readonly answer?: unknown
  readonly code?: string
  readonly text?: string
}

function startChild(
  command: string,
  options: Partial<PostgresStoreOptions>,
  ...numbers: number[]
): ChildProcess {
  const given = JSON.stringify({ connectionString: lab.url, ...options })
  const flags = ['--experimental-strip-types', '--no-warnings']
  return spawn(process.execPath, [...flags, CHILD, command, given, ...numbers.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function runChild(...started: Parameters<typeof startChild>): Promise<Outcome> {
  const child = startChild(...started)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await once(child, 'close')
  return JSON.parse(text) as Outcome
}

const together = (run: (worker: number) => Promise<Outcome>): Promise<Outcome[]> =>
  Promise.all(WORKERS.map(run))

describe.skipIf(skip)('postgres store: several processes', () => {
  it('make one schema when they start together', async () => {
    const schema = lab.newSchema()
    const outcomes = await together(() => runChild('describe', { schema, create: true }))
    expect(outcomes.filter(({ code }) => code !== undefined)).toEqual([])
    expect(new Set(outcomes.map(({ answer }) => answer)).size).toBe(1)
    const tables = await lab.sql(`SELECT tablename FROM pg_tables WHERE schemaname = '${schema}'`)
    expect(tables).toHaveLength(5)
  })

  it('have one winner of each version and each revision, and the exact sum of usage', async () => {
    const schema = lab.newSchema()
    const store = await lab.open({ schema, create: true })
    await store.insert(recordOf())
    const inserts = await together((worker) => runChild('insert', { schema }, worker, 20))
    expect(inserts.flatMap(({ answer }) => answer as number[]).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, place) => place + 1),
    )
    const updates = await together(() => runChild('update', { schema }, 1, 20))
    const won = updates.reduce((sum, { answer }) => sum + Number(answer), 0)
    expect((await store.get(1))?.revision).toBe(won + 1)
    const grants = await together(() => runChild('addUsage', { schema }, 1, 25, 200))
    expect(grants.reduce((sum, { answer }) => sum + Number(answer), 0)).toBe(200)
    expect((await store.get(1))?.usage).toEqual({ messages: 200, bytes: WORKERS.length * 25 * 5 })
  })

  it('keep every confirmed write of one that is killed, and nothing half-written', async () => {
    const schema = lab.newSchema()
    const child = startChild('insertForEver', { schema, create: true })
    let text = ''
    child.stdout?.setEncoding('utf8')
    for await (const chunk of child.stdout ?? []) {
      text += chunk
      if (text.split('\n').length > 20) child.kill('SIGKILL')
    }
    const confirmed = text.split('\n').slice(0, -1).map(Number)
    const store = await lab.open({ schema })
    const { records } = await listAll(store)
    expect(confirmed.length).toBeGreaterThan(19)
    expect(records.slice(0, confirmed.length)).toEqual(
      confirmed.map((id) => recordOf({ id, version: id, statusReason: 'updated', revision: 2 })),
    )
    for (const record of records) expect(record).toMatchObject({ wraps: recordOf({ id: record.id }).wraps })
  })

  it('write the audit log one after the other', async () => {
    const schema = lab.newSchema()
    const store = await lab.open({ schema, create: true })
    const outcomes = await together((worker) => runChild('audit', { schema }, worker, 15))
    expect(outcomes.filter(({ code }) => code !== undefined)).toEqual([])
    const sink = store.auditSink?.()
    const lines = sink === undefined ? [] : await Array.fromAsync(sink.read())
    await sink?.close?.()
    const records = lines.map(
      ({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as { seq: number; after: number },
    )
    expect(records.map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, place) => place + 1))
    expect(records.map(({ after }) => after)).toEqual([
      0,
      ...lines.slice(0, -1).map(({ bytes }) => bytes.length),
    ])
  })

  it('get the lock of the audit log when its holder is killed, and keep what it wrote', async () => {
    const schema = lab.newSchema()
    const store = await lab.open({ schema, create: true })
    const child = startChild('holdAudit', { schema })
    await once(child.stdout ?? child, 'data')
    const connections = async (): Promise<number> =>
      (await lab.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'keywright'")).length
    const before = await connections()
    const next = runChild('audit', { schema }, 2, 1)
    await expect.poll(connections, { timeout: 10_000 }).toBeGreaterThan(before)
    const [row] = await lab.sql(`SELECT count(*) FROM ${schema}.audit_lines`)
    expect(row).toEqual({ count: '1' })
    child.kill('SIGKILL')
    expect((await next).code).toBeUndefined()
    const sink = store.auditSink?.()
    expect(await sink?.head()).toMatchObject({ seq: 2 })
    await sink?.close?.()
  })

  it('leave no transaction behind when they are killed in one', async () => {
    const schema = lab.newSchema()
    const store = await lab.open({ schema, create: true })
    await store.insert(recordOf())
    await lab.sql(`CREATE FUNCTION slow_${schema}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END';
      CREATE TRIGGER slow BEFORE UPDATE ON ${schema}.key_records FOR EACH ROW EXECUTE FUNCTION slow_${schema}()`)
    const child = startChild('update', { schema }, 1, 1)
    await expect
      .poll(() => lab.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), { timeout: 10_000 })
      .toHaveLength(1)
    child.kill('SIGKILL')
    await lab.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)
    await lab.sql(`DROP TRIGGER slow ON ${schema}.key_records`)
    expect(await store.get(1)).toEqual(recordOf())
    expect(await store.update(recordOf({ statusReason: 'after', revision: 2 }))).toBe(true)
  })

  it('end although connections and a listener are open', async () => {
    const schema = lab.newSchema()
    const started = performance.now()
    expect(await runChild('watchAndForget', { schema, create: true })).toEqual({ answer: 'left open' })
    expect(performance.now() - started).toBeLessThan(8000) // an idle connection alone would keep it for 10 s
  })
})
