/** The census: what is under which key, without any key; and the way from rotation to destruction. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { readCensus, writeCensus } from '../../../../src/keys/census.ts'
import type { DocumentStore } from '../../../../src/store.ts'
import memoryStore from '../../../../stores/memory.ts'
import { expectCode } from '../../../kit/failures.ts'
import { connectionLost } from '../../../kit/rows.ts'
import { MemorySink } from '../../../kit/sink.ts'
import { policyWith } from '../../../kit/world.ts'
import { App, EMAIL, idOf } from './kit.ts'

const DAY = 86_400_000
const apps: App[] = []
const app = (...options: ConstructorParameters<typeof App>): App => {
  const made = new App(...options)
  apps.push(made)
  return made
}
afterEach(async () => {
  for (const one of apps.splice(0)) await one.end()
})

const garbage = (id: number): string =>
  `kw1.${Buffer.from([1, id >>> 24, id >>> 16, id >>> 8, id, ...new Array<number>(40).fill(7)]).toString('base64url')}`

describe('what it counts', () => {
  it('ciphertexts by key and column, and everything that is none', async () => {
    const made = app()
    const keywright = made.open()
    await made.fill(keywright, 20)
    const [first] = await keywright.keys.list({ keyType: 'pii' })
    const { key: second } = await keywright.keys.rotate('pii', { force: true, now: true })
    const field = keywright.field('people.email')
    for (const id of ['0001', '0002', '0003'])
      made.table.set(id, { id, email: await field.encrypt('x', { row: id }) })
    made.table.set('0004', { id: '0004', email: null })
    made.table.set('0005', { id: '0005', email: 'ada@example.com' })
    made.table.set('0006', { id: '0006', email: 'gAAAAABx' })
    made.table.set('0007', { id: '0007', email: 'kw1.AQ' })
    made.table.set('0008', { id: '0008', email: garbage(5) })
    made.provider.mode = 'down' // no key is needed
    const report = await made.open().jobs.census({ batch: 6 })
    expect(report).toMatchObject({ job: 'census', outcome: 'complete', orphans: 1, recorded: true })
    expect(report.places[0]?.columns[0]).toEqual({
      column: 'email',
      kind: 'values',
      empty: 1,
      plain: 1,
      foreign: 1,
      malformed: 1,
      orphans: 1,
      keys: { [first?.id ?? 0]: 12, [second.id]: 3, 5: 1 },
      rows: ['0005', '0006', '0007', '0008'],
    })
    expect(report.keys.map(({ keyId, values }) => [keyId, values])).toEqual([
      [first?.id, 12],
      [second.id, 3],
    ])
    expect(JSON.stringify(report)).not.toMatch(/ada@|gAAAAA|kw1\./)
    expect(made.table.writes).toBe(0)
  })

  it('search tokens by key, binary columns, files of a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keywright-census-'))
    try {
      const columns = { email: { keyType: 'pii', indexes: [{ column: 'token' }] } }
      const base = app({ columns })
      const made = app({
        columns,
        store: base.store,
        places: [
          { ...base.place, open: async () => made.table.source('people') },
          { kind: 'folder', name: 'docs', path: folder },
        ],
      })
      const keywright = made.open()
      const field = keywright.field('people.email')
      made.table.set('1', {
        email: await field.encryptToBytes('a'),
        token: await keywright.hash('people.email', 'a'),
      })
      made.table.set('2', { email: null, token: 'kwi1.!!!!!!!!!!!!' })
      made.table.set('3', { email: null, token: 'no token' })
      await writeFile(join(folder, 'plain.txt'), 'plain')
      await writeFile(join(folder, 'a'), 'text')
      await keywright.files.encryptFile(join(folder, 'a'), join(folder, 'a.kw'), {
        keyType: 'financial_data',
      })
      const report = await keywright.jobs.census()
      const [email, token] = report.places[0]?.columns ?? []
      const [files] = report.places[1]?.columns ?? []
      expect(email).toMatchObject({ kind: 'values', empty: 2, plain: 0, orphans: 0 })
      expect(token).toMatchObject({ kind: 'tokens', empty: 0, plain: 1, malformed: 1, orphans: 0 })
      expect(files).toMatchObject({
        kind: 'values',
        plain: 2,
        orphans: 0,
        rows: expect.arrayContaining([join(folder, 'a')]),
      })
      const counts = Object.fromEntries(
        report.keys.map(({ keyring, values, tokens }) => [keyring, [values, tokens]]),
      )
      expect(counts).toEqual({ pii: [1, 0], blind_index: [0, 1], financial_data: [1, 0] })
      const done = await keywright.jobs.reencrypt({ places: ['docs'] })
      expect(done.places[0]?.counts).toMatchObject({ columns: { files: { current: 1, plain: 2 } } })
      await keywright.keys.rotate('financial_data', { force: true, now: true })
      const again = await keywright.jobs.reencrypt({ places: ['docs'] })
      expect(again.places[0]?.counts).toMatchObject({ written: 1, columns: { files: { done: 1, plain: 2 } } })
      expect((await keywright.jobs.census()).keys.filter(({ values }) => values > 0)).toHaveLength(2)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a place that cannot be read makes it incomplete; the others are counted', async () => {
    const made = app()
    const bad = { ...made.place, name: 'orders', open: async () => Promise.reject(connectionLost()) }
    const two = app({ store: made.store, places: [bad, made.place] })
    await made.fill(two.open(), 3)
    const report = await two.open().jobs.census()
    expect(report).toMatchObject({ outcome: 'incomplete', recorded: true })
    expect(report.places).toMatchObject([{ failure: 'ERR_SOURCE_UNAVAILABLE', rows: 0 }, { rows: 3 }])
    expect(await readCensus(made.store.documents)).toMatchObject({
      complete: false,
      covers: ['people.email'],
    })
  })

  it('is in the audit log before it is recorded', async () => {
    const sink = new MemorySink()
    const made = app({ audit: sink })
    const keywright = made.open()
    await made.fill(keywright, 4)
    await keywright.jobs.census({ reason: 'yearly' })
    const [event] = await Array.fromAsync(keywright.audit.list({ event: 'data.census' }))
    expect(event?.details).toEqual({
      outcome: 'complete',
      places: 1,
      rows: 4,
      ciphertexts: 4,
      plain: 0,
      orphans: 0,
    })
  })

  it('is refused without places, and stops when it is told to', async () => {
    await expectCode(app({ places: [] }).open().jobs.census(), 'ERR_SOURCE_UNKNOWN')
    const made = app()
    const keywright = made.open()
    await made.fill(keywright, 10)
    const stop = new AbortController()
    const onProgress = (): void => stop.abort()
    await expectCode(keywright.jobs.census({ batch: 2, onProgress, signal: stop.signal }), 'ERR_ABORTED')
    expect(await readCensus(made.store.documents)).toBeUndefined()
    expect(made.table.open).toBe(0)
  })
})

describe('from rotation to destruction', () => {
  it('a key is destroyed without an override once every census found it empty for its grace period', async () => {
    const made = app()
    const keywright = made.open()
    await made.fill(keywright, 5)
    const [old] = await keywright.keys.list({ keyType: 'pii' })
    const id = old?.id ?? 0
    const missing = async (): Promise<string> => (await keywright.keys.destroyable(id)).why
    expect(await missing()).toContain('active key')
    await keywright.keys.rotate('pii', { force: true, now: true })
    expect(await missing()).toContain('grace period')
    await made.clock.jump(31 * DAY)
    expect(await missing()).toContain('nobody has counted')
    await keywright.jobs.census()
    expect(await missing()).toContain('5 values')
    await keywright.jobs.reencrypt()
    await keywright.jobs.census()
    expect(await missing()).toContain('less than its grace period')
    await made.clock.jump(29 * DAY)
    await keywright.jobs.census()
    await expectCode(keywright.keys.destroy(id), 'ERR_DESTROY_REFUSED')
    await made.clock.jump(1 * DAY)
    expect(await keywright.keys.destroyable(id)).toMatchObject({ allowed: true })
    expect((await keywright.keys.destroy(id)).state).toBe('destroyed')
    expect((await keywright.keys.describe(id)).statusReason).toContain('found nothing under it')
    const field = keywright.field('people.email')
    for (let number = 1; number <= 5; number++)
      await field.decrypt(made.table.get(idOf(number))['email'] as string, { row: idOf(number) })
  })

  it.each<[string, (made: App) => Promise<unknown>]>([
    [
      'a value that came back from a backup',
      async (made) => made.table.set('9999', { id: '9999', email: made.table.get('old')['email'] as string }),
    ],
    ['a place that no census before had read', async () => 'wider'],
  ])('%s starts the time anew', async (what, happens) => {
    const made = app()
    const keywright = made.open()
    await made.fill(keywright, 2)
    const [old] = await keywright.keys.list({ keyType: 'pii' })
    const id = old?.id ?? 0
    made.table.set('old', made.table.get('0001'))
    const value = made.table.get('0001')
    await keywright.keys.rotate('pii', { force: true, now: true })
    await made.clock.jump(31 * DAY)
    made.table.rows.delete('old')
    await keywright.jobs.reencrypt()
    await keywright.jobs.census()
    await made.clock.jump(31 * DAY)
    expect((await keywright.keys.destroyable(id)).allowed).toBe(true)
    made.table.set('old', value)
    let reader = keywright
    if ((await happens(made)) === 'wider') {
      const wider = app({ store: made.store, columns: { ...EMAIL, phone: { keyType: 'pii' } } })
      wider.clock.advance(62 * DAY)
      reader = wider.open()
      expect((await reader.keys.destroyable(id)).why).toContain('people.phone')
    }
    await reader.jobs.census()
    expect((await reader.keys.destroyable(id)).allowed, what).toBe(false)
    made.table.rows.delete('old')
    made.table.rows.delete('9999')
    await reader.jobs.census()
    expect((await reader.keys.destroyable(id)).why).toContain('less than its grace period')
  })

  it('an incomplete census neither starts the time nor ends it', async () => {
    const made = app()
    const keywright = made.open()
    await made.fill(keywright, 2)
    const [old] = await keywright.keys.list({ keyType: 'pii' })
    const id = old?.id ?? 0
    await keywright.keys.rotate('pii', { force: true, now: true })
    await made.clock.jump(DAY)
    await keywright.jobs.reencrypt()
    await keywright.jobs.census()
    await made.clock.jump(31 * DAY)
    made.table.before = () => {
      throw connectionLost()
    }
    await keywright.jobs.census()
    expect((await keywright.keys.destroyable(id)).why).toContain('could not read every place')
    made.table.before = undefined
    await keywright.jobs.census()
    expect((await keywright.keys.destroyable(id)).allowed).toBe(true)
  })

  it('cleanup destroys what is empty and leaves the rest: also what no place declares', async () => {
    const auto = { rotation: { auto: false }, maxAgeMs: 40 * DAY }
    const policy = policyWith({ pii: auto, financial_data: auto, session: auto })
    const made = app({ policy, columns: { ...EMAIL, income: { keyType: 'financial_data', row: 'id' } } })
    const keywright = made.open()
    await made.fill(keywright, 2)
    const cookie = await keywright.encrypt('session', 'in a browser')
    await keywright.keyring('financial_data')
    for (const keyType of ['pii', 'financial_data', 'session'])
      await keywright.keys.rotate(keyType, { force: true, now: true })
    const kept = made.table.get('0001')
    await keywright.jobs.reencrypt()
    made.table.set('0001', kept)
    await made.clock.jump(50 * DAY)
    await keywright.jobs.census()
    await made.clock.jump(31 * DAY)
    await keywright.jobs.census()
    expect(await keywright.keys.cleanup({ dryRun: true })).toHaveLength(3)
    expect((await keywright.keys.cleanup()).map(({ keyring }) => keyring)).toEqual(['financial_data'])
    await expectCode(keywright.keys.cleanup(), 'ERR_DESTROY_REFUSED')
    const [session] = await keywright.keys.list({ keyType: 'session' })
    const verdict = await keywright.keys.destroyable(session?.id ?? 0)
    expect(verdict).toMatchObject({
      allowed: false,
      overridable: true,
      why: expect.stringContaining('no declared place'),
    })
    expect(await keywright.decrypt(cookie)).toBe('in a browser')
  })
})

describe('the record', () => {
  const record = (startedAt: number, count: number) => ({
    startedAt,
    finishedAt: startedAt + 1,
    complete: true,
    covers: ['a.b'],
    series: ['a.b'],
    keys: new Map(
      Array.from({ length: count }, (_, at) => [
        at + 1,
        { count: at % 2, ...(at % 2 ? {} : { emptySince: at }) },
      ]),
    ),
  })

  it('holds any number of keys, and leaves nothing of the one before', async () => {
    const documents = memoryStore().documents as DocumentStore
    expect(await readCensus(documents)).toBeUndefined()
    await writeCensus(documents, record(1, 25_000))
    expect(await readCensus(documents)).toEqual(record(1, 25_000))
    await writeCensus(documents, record(2, 3))
    expect(await readCensus(documents)).toEqual(record(2, 3))
    expect(await documents.list('census/')).toHaveLength(2)
  })

  it('a census that began earlier does not take the place of a later one', async () => {
    const documents = memoryStore().documents as DocumentStore
    expect(await writeCensus(documents, record(5, 1))).toBe(true)
    expect(await writeCensus(documents, record(4, 2))).toBe(false)
    expect((await readCensus(documents))?.startedAt).toBe(5)
    expect(await documents.list('census/')).toHaveLength(2)
  })

  it.each(['{', '{}', '{"v":2}', 'null', '[]'])('refuses what is none: %s', async (text) => {
    const documents = memoryStore().documents as DocumentStore
    await documents.write({ name: 'census/latest', text, revision: 1 })
    await expectCode(readCensus(documents), 'ERR_STORE_CORRUPT')
    expect(await writeCensus(documents, record(1, 1))).toBe(true)
    expect((await readCensus(documents))?.keys.size).toBe(1)
  })
})
