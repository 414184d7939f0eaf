/** The PostgreSQL store while its server restarts, hangs, refuses, encrypts, or may only be read. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import { postgresLab, skip } from './postgres-kit.ts'

const lab = postgresLab()
const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })
const nextTurn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe.skipIf(skip)('postgres store: servers in trouble', () => {
  it.each(['SIGINT', 'SIGQUIT'] as const)(
    'goes on after a restart by %s, and hears changes again',
    async (signal) => {
      const schema = lab.newSchema()
      const store = await lab.open({ schema, create: true, connectTimeoutMs: 2000 })
      const other = await lab.open({ schema, connectTimeoutMs: 2000 })
      const heard: (string | undefined)[] = []
      store.watch?.((keyring) => heard.push(keyring))
      await store.insert(recordOf())
      const codes = new Set<string>()
      let stop = false
      const busy = (async () => {
        while (!stop) {
          await store.addUsage(1, { messages: 1, bytes: 0 }, 1e9).catch(({ code }) => codes.add(code))
          await nextTurn(2)
        }
      })()
      await lab.server.restart(signal)
      await expect
        .poll(
          () =>
            store.get(1).then(
              () => true,
              () => false,
            ),
          { timeout: 10_000 },
        )
        .toBe(true)
      stop = true
      await busy
      expect([...codes].filter((code) => code !== 'ERR_STORE_UNAVAILABLE')).toEqual([])
      expect(codes.size).toBe(1)
      await expect.poll(() => heard, { timeout: 10_000 }).toContain(undefined)
      heard.length = 0
      await expect
        .poll(() => other.update(recordOf({ statusReason: 'x', revision: 2 })).catch(() => 'down'))
        .toBe(true)
      await expect.poll(() => heard).toContain('pii')
    },
  )

  it('says unavailable while nobody answers, and recovers', async () => {
    const schema = lab.newSchema()
    const gate = await tcpGate(Number(new URL(lab.url).port))
    const connectionString = lab.url.replace(/:\d+\//, `:${gate.port}/`)
    const store = await lab.open({
      connectionString,
      schema,
      create: true,
      connectTimeoutMs: 300,
      statementTimeoutMs: 200,
    })
    await store.insert(recordOf())
    gate.hang()
    const down = failure('ERR_STORE_UNAVAILABLE')
    const calls = await Promise.allSettled([store.get(1), store.get(1)])
    expect(calls.map((call) => call.status === 'rejected' && call.reason)).toEqual([down, down])
    gate.flow()
    expect(await store.get(1)).toEqual(recordOf())
    gate.cut()
    await expect.poll(() => store.get(1).catch(() => undefined)).toEqual(recordOf())
    gate.close()
    await expect(store.get(1)).rejects.toEqual(down)
  })

  it('survives that its connections are terminated, idle ones too', async () => {
    const store = await lab.open()
    await store.insert(recordOf())
    await lab.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keywright'",
    )
    await expect.poll(() => store.get(1).catch(({ code }) => code)).toEqual(recordOf())
  })

  it('says unavailable when the server has no connection left', async () => {
    const schema = lab.newSchema()
    await (await lab.open({ schema, create: true })).close?.()
    await lab.sql('ALTER ROLE keywright CONNECTION LIMIT 0')
    try {
      await expect(lab.open({ schema })).rejects.toEqual(failure('ERR_STORE_UNAVAILABLE'))
    } finally {
      await lab.sql('ALTER ROLE keywright CONNECTION LIMIT -1')
    }
  })

  it('says busy when a lock or a statement takes too long, and has written nothing', async () => {
    const schema = lab.newSchema()
    await (await lab.open({ schema, create: true })).insert(recordOf())
    const impatient = await lab.open({ schema, lockTimeoutMs: 50 })
    const slow = await lab.open({ schema, statementTimeoutMs: 50 })
    const blocker = new pg.Client({ connectionString: lab.server.adminUrl })
    await blocker.connect()
    await blocker.query(`BEGIN; SELECT * FROM ${schema}.key_records FOR UPDATE`)
    const busy = failure('ERR_STORE_BUSY')
    for (const store of [impatient, slow]) {
      await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(busy)
      await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(busy)
    }
    await blocker.query('ROLLBACK')
    await blocker.end()
    expect(await impatient.get(1)).toEqual(recordOf())
  })

  it('says busy when the database serialises and somebody else was first', async () => {
    const schema = lab.newSchema()
    await (await lab.open({ schema, create: true })).insert(recordOf())
    await lab.sql("ALTER ROLE keywright SET default_transaction_isolation = 'repeatable read'")
    try {
      const store = await lab.open({ schema })
      const blocker = new pg.Client({ connectionString: lab.server.adminUrl })
      await blocker.connect()
      await blocker.query(`BEGIN; UPDATE ${schema}.key_records SET revision = revision`)
      const update = store.update(recordOf({ revision: 2 }))
      const outcome = expect(update).rejects.toEqual(failure('ERR_STORE_BUSY'))
      await expect
        .poll(() => lab.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        .toHaveLength(1)
      await blocker.query('COMMIT')
      await blocker.end()
      await outcome
    } finally {
      await lab.sql('ALTER ROLE keywright RESET default_transaction_isolation')
    }
  })

  it('reads, and says that it cannot write, where the session is read-only', async () => {
    const schema = lab.newSchema()
    await (await lab.open({ schema, create: true })).insert(recordOf())
    const options = encodeURIComponent('-c default_transaction_read_only=on')
    const store = await lab.open({ schema, connectionString: `${lab.url}?options=${options}` })
    expect(await store.get(1)).toEqual(recordOf())
    const refused = failure('ERR_STORE_READ_ONLY')
    await expect(store.insert(recordOf({ id: 2, version: 2 }))).rejects.toEqual(refused)
    await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(refused)
    await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(refused)
  })

  it('warns of a server that may lose what it has confirmed, and of a superuser', async () => {
    const schema = lab.newSchema()
    await lab.open({ schema, create: true })
    const options = encodeURIComponent('-c synchronous_commit=off')
    const store = await lab.open({ schema, connectionString: `${lab.server.adminUrl}?options=${options}` })
    const { warnings, location } = await store.describe()
    expect(warnings.join()).toMatch(/synchronous_commit is off.*superuser/)
    expect(location).not.toMatch(/@/)
  })

  it('sends no settings at the start where PgBouncer would refuse them, and does not listen', async () => {
    const schema = lab.newSchema()
    const store = await lab.open({ schema, create: true, pgbouncer: true })
    expect(store.watch).toBeUndefined()
    expect(await store.insert(recordOf())).toBe('inserted')
    await lab.sql(`CREATE FUNCTION ${schema}.tell() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN NEW.status_reason := current_setting(''statement_timeout''); RETURN NEW; END';
      GRANT EXECUTE ON FUNCTION ${schema}.tell() TO keywright;
      CREATE TRIGGER tell BEFORE UPDATE ON ${schema}.key_records FOR EACH ROW EXECUTE FUNCTION ${schema}.tell()`)
    await store.update(recordOf({ revision: 2 }))
    expect((await store.get(1))?.statusReason).toBe('0')
    const plain = await lab.open({ schema, statementTimeoutMs: 4321 })
    await plain.update(recordOf({ revision: 3 }))
    expect((await store.get(1))?.statusReason).toBe('4321ms')
  })
})

/** Passes connections on to a port, or hangs, or cuts them. */
async function tcpGate(target: number): Promise<{
  readonly port: number
  hang(): void
  flow(): void
  cut(): void
  close(): void
}> {
  const { connect } = await import('node:net')
  const sockets = new Set<Socket>()
  let hanging = false
  const server: Server = createServer((socket) => {
    const out = connect(target, '127.0.0.1')
    for (const one of [socket, out]) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        sockets.delete(one)
        socket.destroy()
        out.destroy()
      })
    }
    socket.on('data', (data) => void (hanging || out.write(data)))
    out.on('data', (data) => void (hanging || socket.write(data)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  gates.push(() => {
    cut()
    server.close()
  })
  return {
    port: (server.address() as { port: number }).port,
    hang: () => {
      hanging = true
    },
    flow: () => {
      hanging = false
    },
    cut,
    close: () => {
      cut()
      server.close()
    },
  }
}

const gates: (() => void)[] = []
afterAll(() => {
  for (const close of gates) close()
})

describe.skipIf(skip)('postgres store: TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-tls-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Switches TLS on with a certificate for 127.0.0.1 that is its own authority. */
  async function encrypt(): Promise<string> {
    const selfsigned = await import('selfsigned')
    const made = await selfsigned.generate([{ name: 'commonName', value: '127.0.0.1' }], {
      keySize: 2048,
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
    })
    const ca = join(folder, 'ca.pem')
    writeFileSync(ca, made.cert)
    const [row] = await lab.sql('SHOW data_directory')
    const data = String(row?.['data_directory'])
    writeFileSync(join(data, 'server.crt'), made.cert)
    writeFileSync(join(data, 'server.key'), made.private, { mode: 0o600 })
    if (process.getuid?.() === 0) {
      execFileSync('chown', [`--reference=${data}`, join(data, 'server.crt'), join(data, 'server.key')])
    }
    await lab.sql('ALTER SYSTEM SET ssl = on')
    await lab.sql('SELECT pg_reload_conf()')
    return ca
  }

  it('refuses a server without TLS, an unknown authority and another name; encrypts with the right one', async () => {
    const schema = lab.newSchema()
    await lab.open({ schema, create: true })
    const denied = failure('ERR_STORE_DENIED')
    const opening = (query: string, host = '127.0.0.1') =>
      lab.open({ schema, connectionString: `${lab.url.replace('127.0.0.1', host)}?${query}` })
    await expect(opening('sslmode=verify-full')).rejects.toEqual(denied)
    const ca = await encrypt()
    const trusted = `sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`
    await expect
      .poll(() =>
        opening(trusted).then(
          (store) => store.get(1),
          ({ code }) => code,
        ),
      )
      .toBeUndefined()
    await expect(opening('sslmode=verify-full')).rejects.toEqual(denied)
    await expect(opening(trusted, 'localhost')).rejects.toEqual(denied)
    const store = await opening(trusted)
    expect(await store.insert(recordOf())).toBe('inserted')
    const heard: unknown[] = []
    store.watch?.((keyring) => heard.push(keyring))
    await expect
      .poll(() => lab.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
      .toHaveLength(1)
    await store.update(recordOf({ revision: 2 }))
    await expect.poll(() => heard).toEqual(['pii'])
    const [row] = await lab.sql(`SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
      WHERE application_name = 'keywright' AND ssl`)
    expect(Number(row?.['count'])).toBeGreaterThan(0)
  })
})
