/** A whole migration of a PostgreSQL table whose tokens Python wrote: widths, killed, with writers, and back. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Keywright } from '../../src/index.ts'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import { openFernetPeer } from '../interop/fernet-peer.ts'
import { expectCode } from '../kit/failures.ts'
import { serverFor } from '../kit/servers.ts'
import { endWorkers } from '../race/support/worker.ts'
import { FERNET, token } from '../unit/jobs/migrate-kit.ts'
import { killedUntilDone } from './kill.ts'
import {
  type Installation,
  NEW_FERNET,
  newFolder,
  newInstallation,
  openInstallation,
  removeFolder,
} from './lab.ts'

const found = await serverFor(postgres)
const peer = await openFernetPeer()
const ROWS = 400
const fernetKeys = [NEW_FERNET, FERNET]

let server: PostgresServer
let pool: pg.Pool
let tables = 0
const folders: string[] = []
const opened: Keywright[] = []

beforeAll(async () => {
  if (found.skip !== undefined) return
  server = await postgres.start()
  pool = new pg.Pool({ connectionString: server.adminUrl, max: 4 })
  pool.on('error', () => undefined)
})
afterEach(async () => {
  for (const kw of opened.splice(0)) await kw.close()
})
afterAll(async () => {
  await endWorkers()
  await pool?.end()
  await server?.stop()
  await Promise.all(folders.map(removeFolder))
})

async function installation(columns: Installation['columns'], definition: string): Promise<Installation> {
  const folder = newFolder()
  folders.push(folder)
  const table = `users${++tables}`
  await pool.query(
    `CREATE TABLE ${table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), nr int, ${definition})`,
  )
  const source = { type: 'postgres', name: 'users', url: server.adminUrl, table }
  return newInstallation(folder, source, columns)
}

async function open(of: Installation): Promise<Keywright> {
  const kw = await openInstallation(of)
  opened.push(kw)
  return kw
}

const table = ({ source }: Installation): string => source.table ?? ''
const emailOf = (nr: number): string => `person-${nr}@example.com`

/** As Python writes them, the older half under a key that was rotated out; as we do where there is no Python. */
async function tokens(texts: readonly string[]): Promise<string[]> {
  if ('missing' in peer) return texts.map((text, at) => token(text, at % 2 === 0 ? FERNET : NEW_FERNET))
  const values = texts.map((text) => Buffer.from(text).toString('base64'))
  const half = Math.floor(values.length / 2)
  const [old = [], fresh = []] = await peer([
    { op: 'encrypt', keys: [FERNET], values: values.slice(0, half) },
    { op: 'encrypt', keys: [NEW_FERNET, FERNET], values: values.slice(half) },
  ])
  return [...old, ...fresh] as string[]
}

async function fill(of: Installation, type: 'text' | 'bytea' = 'text'): Promise<void> {
  const texts = Array.from({ length: ROWS }, (_, nr) => emailOf(nr))
  const email = type === 'text' ? 'value' : `convert_to(value, 'UTF8')`
  await pool.query(
    `INSERT INTO ${table(of)} (nr, email)
     SELECT (at - 1)::int, ${email} FROM unnest($1::text[]) WITH ORDINALITY AS given (value, at)`,
    [await tokens(texts)],
  )
}

describe.skipIf(found.skip !== undefined)('PostgreSQL', () => {
  it('tokens of Python are migrated to the end, killed with -9 and run again, and go back to Python', async () => {
    const columns = { email: { row: 'id', table: 'users', indexes: [{ column: 'token' }] } }
    const of = await installation(columns, 'email text, token varchar(60)')
    await fill(of)
    const ended = await killedUntilDone(of, 'migrate', 4)
    expect(ended.outcome).toBe('finished')
    expect(ended.hits).toBeGreaterThan(1)
    const kw = await open(of)
    const field = kw.field('users.email')
    const { rows } = await pool.query(`SELECT * FROM ${table(of)}`)
    expect(rows).toHaveLength(ROWS)
    for (const { email, id, nr, token: search } of rows) {
      expect(await field.decrypt(email, { row: id })).toBe(emailOf(nr))
      expect(search).toBe(await kw.hash('users.email', emailOf(nr)))
    }
    expect((await kw.jobs.migrate({ fernetKeys })).counts).toMatchObject({ written: 0, rows: ROWS })
    expect((await kw.jobs.verifyMigration()).outcome).toBe('verified')

    await kw.jobs.reverseMigration({ to: 'fernet', undoEncryption: true, fernetKeys })
    const back = await pool.query(`SELECT email, nr FROM ${table(of)}`)
    const values = back.rows.map(({ email }) => email as string)
    const texts = back.rows.map(({ nr }) => Buffer.from(emailOf(nr)).toString('base64'))
    if ('missing' in peer) expect(values.every((value) => value.startsWith('gAAAAA'))).toBe(true)
    else expect(await peer([{ op: 'decrypt', keys: [NEW_FERNET], values }])).toEqual([texts])
  }, 120_000)

  it('a column that is too narrow is widened as the error says, before anything was written', async () => {
    const of = await installation({ email: { table: 'users' } }, 'email varchar(50)')
    await pool.query(`INSERT INTO ${table(of)} (email) VALUES ('a'), ('ada.lovelace@example.com')`)
    const kw = await open(of)
    const error = await expectCode(kw.jobs.migrate({ from: 'plain', fernetKeys }), 'ERR_COLUMN_UNSUITABLE')
    expect(error.message).toContain('character varying(50)')
    expect(error.details).toMatchObject({ maxLength: 50, needs: 4 + Math.ceil(((24 + 33) * 4) / 3) })
    expect((await pool.query(`SELECT email FROM ${table(of)} WHERE email LIKE 'kw1.%'`)).rowCount).toBe(0)
    await pool.query(String(error.details['statement']))
    const wider = await open(of)
    expect((await wider.jobs.migrate({ from: 'plain', fernetKeys })).outcome).toBe('finished')
  })

  it('a column of numbers is migrated in a column of text beside it, as the error says', async () => {
    const of = await installation(
      { income: { keyType: 'pii', table: 'users', as: 'number' } },
      'income numeric',
    )
    await pool.query(`INSERT INTO ${table(of)} (nr, income) VALUES (1, 1200.50), (2, NULL)`)
    const kw = await open(of)
    const error = await expectCode(kw.jobs.migrate({ from: 'plain', fernetKeys }), 'ERR_COLUMN_UNSUITABLE')
    const sql = /ALTER TABLE.*$/.exec(error.hint ?? '')?.[0] ?? ''
    await pool.query(sql)
    const { income } = of.columns
    const beside = { ...of, columns: { income_encrypted: { ...income, column: 'income' } } }
    const again = await open(beside)
    expect((await again.jobs.migrate({ from: 'plain', fernetKeys })).outcome).toBe('finished')
    const [row] = (await pool.query(`SELECT * FROM ${table(of)} WHERE nr = 1`)).rows
    const field = again.field('pii', { table: 'users', column: 'income', as: 'number' })
    expect(await field.decrypt(row.income_encrypted)).toBe(1200.5)
  })

  it('bytes stay bytes, and no update of an application is lost', async () => {
    const of = await installation({ email: { row: 'id', table: 'users' } }, 'email bytea')
    await fill(of, 'bytea')
    const kw = await open(of)
    const field = await kw.field('users.email').ready()
    const ids = (await pool.query(`SELECT id FROM ${table(of)}`)).rows.map(({ id }) => id as string)
    const written = new Map<string, string>()
    let over = false
    const application = (async () => {
      for (let turn = 0; !over; turn++) {
        const id = ids[Math.floor(Math.random() * ids.length)] ?? ''
        const text = `changed ${turn}`
        const value =
          turn % 2 === 0 ? Buffer.from(token(text)) : await field.encryptToBytes(text, { row: id })
        await pool.query(`UPDATE ${table(of)} SET email = $2 WHERE id = $1`, [id, value])
        written.set(id, text)
      }
    })()
    await kw.jobs.migrate({ fernetKeys, batch: 20, rate: 500 })
    over = true
    await application
    expect((await kw.jobs.migrate({ fernetKeys })).outcome).toBe('finished')
    for (const { email, id, nr } of (await pool.query(`SELECT * FROM ${table(of)}`)).rows) {
      expect(email[0]).toBe(1)
      expect(await field.decrypt(email, { row: id })).toBe(written.get(id) ?? emailOf(nr))
    }
    expect(written.size).toBeGreaterThan(20)
  }, 60_000)
})
