/** Making search tokens anew: nothing that an application does meanwhile is overwritten, and every value ends up with its token. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../../src/index.ts'
import type { ColumnBinding, RowsPlace } from '../../../../src/jobs/places.ts'
import { expectCode } from '../../../kit/failures.ts'
import { connectionLost, Table } from '../../../kit/rows.ts'
import { World } from '../../../kit/world.ts'

const COLUMN: ColumnBinding = {
  keyType: 'pii',
  row: 'id',
  indexes: [
    { column: 'email_token', normaliser: 'email' },
    { column: 'domain_token', normaliser: 'email_domain', bits: 12 },
  ],
}

let world: World
let table: Table
let kw: Keywright

const placeOf = (binding: ColumnBinding = COLUMN, more: Record<string, ColumnBinding> = {}): RowsPlace => ({
  kind: 'rows',
  name: 'users',
  columns: { email: binding, ...more },
  open: async () => table.source('users'),
})

beforeEach(() => {
  world = new World()
  table = new Table()
  kw = world.open({ places: [placeOf()] })
})
afterEach(() => world.end())

const addressOf = (n: number): string => `Person${n}@Example${n % 3}.org`

async function fill(rows: number, tokens = false): Promise<void> {
  const field = kw.field('users.email', { as: 'string' })
  const email = kw.index('users.email', { normaliser: 'email' })
  for (let n = 1; n <= rows; n++) {
    const id = String(n).padStart(4, '0')
    table.set(id, {
      id,
      email: await field.encrypt(addressOf(n), { row: id }),
      email_token: tokens ? await email.token(addressOf(n)) : null,
      domain_token: null,
    })
  }
}

async function expectTokens(rows: number): Promise<void> {
  const email = await kw.index('users.email', { normaliser: 'email' }).ready()
  const domain = await kw.index('users.email', { normaliser: 'email_domain', bits: 12 }).ready()
  for (let n = 1; n <= rows; n++) {
    const row = table.get(String(n).padStart(4, '0'))
    expect(row['email_token']).toBe(email.tokenSync(addressOf(n).toLowerCase()))
    expect(row['domain_token']).toBe(domain.tokenSync(addressOf(n)))
  }
}

describe('reindex', () => {
  it('fills new token columns, then has nothing to do', async () => {
    await fill(25)
    const first = await kw.jobs.reindex({ batch: 10 })
    expect(first).toMatchObject({ outcome: 'finished', places: [{ counts: { rows: 25, written: 25 } }] })
    await expectTokens(25)
    const { writes } = table
    const second = await kw.jobs.reindex({ batch: 10 })
    expect(second.places[0]?.counts).toMatchObject({
      written: 0,
      columns: { email_token: { current: 25 }, domain_token: { current: 25 } },
    })
    expect(table.writes - writes).toBeLessThanOrEqual(1) // a checkpoint at most
    expect(table.open).toBe(0)
  })

  it('brings every token under a new index key; look-ups find all rows before, while and after', async () => {
    await fill(12, true)
    const before = table.get('0001')['email_token']
    await kw.keys.rotate('blind_index', { force: true, now: true })
    const index = await kw.index('users.email', { normaliser: 'email' }).ready()
    const find = async (n: number): Promise<string[]> => {
      const tokens: unknown[] = await index.tokens(addressOf(n))
      return [...table.rows.values()]
        .filter((row) => tokens.includes(row['email_token']))
        .map((row) => String(row['id']))
    }
    table.before = async (call) => {
      if (call === 'write')
        for (const n of [1, 12]) expect(await find(n)).toEqual([String(n).padStart(4, '0')])
    }
    expect(await find(7)).toEqual(['0007'])
    await kw.jobs.reindex({ batch: 5 })
    table.before = undefined
    expect(table.get('0001')['email_token']).not.toBe(before)
    await expectTokens(12)
    for (let n = 1; n <= 12; n++) expect(await find(n)).toHaveLength(1)
  })

  it('leaves a value that the application changes meanwhile with the token that belongs to it', async () => {
    await fill(10)
    const field = kw.field('users.email')
    let done = false
    table.before = async (call) => {
      if (call !== 'write' || done) return
      done = true
      // As an application that does not write tokens yet: the old value's token must not appear beside it.
      const email = await field.encrypt('changed@other.org', { row: '0003' })
      table.set('0003', { ...table.get('0003'), email })
      table.rows.delete('0004')
    }
    const report = await kw.jobs.reindex()
    expect(report.places[0]?.counts).toMatchObject({ rows: 9, gone: 1, changed: 0 })
    const index = kw.index('users.email', { normaliser: 'email' })
    expect(table.get('0003')['email_token']).toBe(await index.token('changed@other.org'))
    expect(table.rows.has('0004')).toBe(false)
  })

  it('goes on after the connection was lost, and counts each row once', async () => {
    await fill(30)
    let calls = 0
    table.before = (call) => {
      if (call === 'write' && ++calls === 3) throw connectionLost()
    }
    await expectCode(kw.jobs.reindex({ batch: 5 }), 'ERR_SOURCE_UNAVAILABLE')
    table.before = undefined
    const report = await kw.jobs.reindex({ batch: 5 })
    expect(report.places[0]).toMatchObject({ resumed: true, counts: { rows: 30, written: 30 } })
    await expectTokens(30)
  })

  it('takes the token of a value away that is gone, and leaves what it cannot open', async () => {
    await fill(4, true)
    table.set('0001', { ...table.get('0001'), email: null })
    table.set('0002', { ...table.get('0002'), email: 'in clear' })
    table.set('0003', { ...table.get('0003'), email: table.get('0004')['email'] ?? null })
    const tokens = ['0002', '0003'].map((id) => table.get(id)['email_token'])
    const report = await kw.jobs.reindex()
    expect(report.outcome).toBe('incomplete')
    expect(report.places[0]?.counts.columns['email_token']).toMatchObject({
      done: 1,
      current: 1,
      plain: 1,
      failed: 1,
      failures: { ERR_DECRYPTION_FAILED: 1 },
    })
    expect(table.get('0001')).toMatchObject({ email_token: null, domain_token: null })
    expect(['0002', '0003'].map((id) => table.get(id)['email_token'])).toEqual(tokens)
  })

  it('makes the tokens of each tenant under its own index key', async () => {
    const tenants = world.open({ places: [placeOf({ ...COLUMN, tenant: 'tenant' })] })
    for (const tenant of ['a', 'b']) {
      const email = await tenants.field('users.email', { tenant }).encrypt('x@y.org', { row: tenant })
      table.set(tenant, { id: tenant, tenant, email, email_token: null, domain_token: null })
    }
    await tenants.jobs.reindex()
    for (const tenant of ['a', 'b']) {
      const token = await tenants.index('users.email', { tenant, normaliser: 'email' }).token('x@y.org')
      expect(table.get(tenant)['email_token']).toBe(token)
    }
    expect(table.get('a')['email_token']).not.toBe(table.get('b')['email_token'])
  })

  it('makes tokens of numbers and of bytes that are text, none of other bytes', async () => {
    const place = placeOf(
      { keyType: 'pii', indexes: [] },
      { pin: { keyType: 'pii', as: 'number', indexes: [{ column: 'pin_token' }] } },
    )
    const other = world.open({ places: [place] })
    const pin = { table: 'users', column: 'pin' }
    table.set('1', {
      id: '1',
      pin: await other.field('pii', { ...pin, as: 'number' }).encrypt(42),
    })
    const bytes = await other.field('pii', { ...pin, as: 'bytes' }).encrypt(Buffer.from([255, 254]))
    table.set('2', { id: '2', pin: bytes })
    const report = await other.jobs.reindex()
    expect(table.get('1')['pin_token']).toBe(await other.index('users.pin').token('42'))
    expect(report.places[0]?.counts.columns['pin_token']).toMatchObject({ done: 1, failed: 1 })
  })

  it.each<[string, ColumnBinding, Record<string, ColumnBinding>, string]>([
    ['no index at all', { keyType: 'pii' }, {}, 'ERR_SOURCE_UNKNOWN'],
    [
      'one column for two indexes',
      { keyType: 'pii', indexes: [{ column: 't' }, { column: 't', normaliser: 'lower' }] },
      {},
      'ERR_CONFIG_INVALID',
    ],
    [
      'the encrypted column itself',
      { keyType: 'pii', indexes: [{ column: 'email' }] },
      {},
      'ERR_CONFIG_INVALID',
    ],
  ])('refuses %s', async (_, binding, more, code) => {
    const other = world.open({ places: [placeOf(binding, more)] })
    await expectCode(other.jobs.reindex(), code as 'ERR_SOURCE_UNKNOWN')
  })
})
