/** Re-encryption of a table: every value under the active key, nothing lost, counts exact. */
import { afterEach, describe, expect, it } from 'vitest'
import type { ValueProgress } from '../../../../src/jobs/values/engine.ts'
import type { ReencryptReport } from '../../../../src/jobs/values/reencrypt.ts'
import type { Keywright } from '../../../../src/keywright.ts'
import { expectCode } from '../../../kit/failures.ts'
import { connectionLost, type Row } from '../../../kit/rows.ts'
import { policyWith } from '../../../kit/world.ts'
import { App, emailOf, idOf, keysIn } from './kit.ts'

const apps: App[] = []
const app = (...options: ConstructorParameters<typeof App>): App => {
  const made = new App(...options)
  apps.push(made)
  return made
}
afterEach(async () => {
  for (const one of apps.splice(0)) await one.end()
})

/** A table of `count` people under the first key, and a second key that is active. */
async function rotated(count: number, ...options: ConstructorParameters<typeof App>) {
  const made = app(...options)
  const keywright = made.open()
  await made.fill(keywright, count)
  const { key } = await keywright.keys.rotate('pii', { force: true, now: true })
  return { app: made, keywright, active: key.id }
}

const columnOf = (report: ReencryptReport, column = 'email') => report.places[0]?.counts.columns[column]

async function expectIntact(keywright: Keywright, { table }: App, count: number): Promise<void> {
  const field = keywright.field('people.email')
  for (let number = 1; number <= count; number++) {
    const id = idOf(number)
    expect(await field.decrypt(table.get(id)['email'] as string, { row: id })).toBe(emailOf(id))
  }
}

describe.each([{ workers: undefined }, { workers: 2 }])('with $workers workers', ({ workers }) => {
  const threads = workers === undefined ? {} : { workers }

  it('brings every value under the active key and leaves what it means', async () => {
    const { app: made, keywright, active } = await rotated(53)
    const report = await keywright.jobs.reencrypt({ batch: 10, ...threads })
    expect(report.outcome).toBe('finished')
    expect(report.warnings).toEqual([])
    expect(report.places[0]).toMatchObject({ place: 'people', location: 'memory:people', resumed: false })
    expect(report.places[0]?.counts).toMatchObject({ rows: 53, written: 53, gone: 0, changed: 0 })
    expect(columnOf(report)).toMatchObject({ done: 53, current: 0, failed: 0 })
    expect([...keysIn(made.table)]).toEqual([[active, 53]])
    await expectIntact(keywright, made, 53)
    expect(made.table.checkpoints.size).toBe(0)
    expect(made.table.open).toBe(0)
  })

  it('counts what it leaves as it is, and writes nothing the second time', async () => {
    const { app: made, keywright } = await rotated(6)
    const [first, ...others] = [...made.table.rows.values()].map((row) => row['email'] as string)
    made.table.set('0001', { id: '0001', email: null })
    made.table.set('0002', { id: '0002', email: 'ada@example.com' })
    made.table.set('0003', { id: '0003', email: 'gAAAAABnotreally' })
    made.table.set('0004', { id: '0004', email: `${first?.slice(0, -1)}${first?.endsWith('A') ? 'Q' : 'A'}` })
    made.table.set('0005', { id: '0005', email: others[4] as string }) // of row 0006
    made.table.set('0007', { id: '0007', email: 'kw1.AQ' })
    made.table.set('0008', { id: '', email: others[4] as string })
    made.table.set('0009', {
      id: '0009',
      email: `kw1.${Buffer.from([1, 9, 9, 9, 9, ...new Array(40).fill(0)]).toString('base64url')}`,
    })
    const report = await keywright.jobs.reencrypt(threads)
    expect(report.outcome).toBe('incomplete')
    expect(columnOf(report)).toEqual({
      done: 1,
      current: 0,
      empty: 1,
      plain: 1,
      foreign: 1,
      skipped: 0,
      failed: 5,
      failures: {
        ERR_DECRYPTION_FAILED: 2,
        ERR_CIPHERTEXT_MALFORMED: 1,
        ERR_CONTEXT_INVALID: 1,
        ERR_KEY_UNKNOWN: 1,
      },
    })
    expect(report.warnings).toHaveLength(3)
    expect(JSON.stringify(report)).not.toMatch(/ada@|gAAAAA|kw1\./)
    const writes = made.table.writes
    const again = await keywright.jobs.reencrypt(threads)
    expect(columnOf(again)).toMatchObject({ done: 0, current: 1, plain: 1, failed: 5 })
    expect(made.table.writes - writes).toBeLessThanOrEqual(1) // the checkpoint alone
  })

  it('opens values of records whose type was never declared', async () => {
    const made = app({
      columns: { note: { keyType: 'pii', row: 'id' }, born: { keyType: 'pii', row: 'id' } },
    })
    const keywright = made.open()
    const codec = keywright.records({ table: 'people', row: 'id', fields: { note: 'pii', born: 'pii' } })
    const values = [42, { nested: true }, 'text', false, 'more text', [1, 2]]
    for (const [at, note] of values.entries()) {
      const id = idOf(at + 1)
      made.table.set(id, (await codec.encrypt({ id, note, born: at })) as unknown as Row)
    }
    await keywright.keys.rotate('pii', { force: true, now: true })
    const report = await keywright.jobs.reencrypt({ batch: 4, ...threads })
    expect(report.outcome).toBe('finished')
    expect(columnOf(report, 'note')).toMatchObject({ done: 6 })
    for (const [at, note] of values.entries())
      expect(await codec.decrypt(made.table.get(idOf(at + 1)))).toEqual({ id: idOf(at + 1), note, born: at })
  })

  it('takes the keyring from the tenant column, binary columns as they are', async () => {
    const policy = policyWith({ pii: { tenants: 'optional' } })
    const made = app({
      policy,
      columns: { email: { keyType: 'pii', tenant: 'org', table: null, context: { app: 'crm' } } },
    })
    const keywright = made.open()
    for (const [at, org] of ['acme', 'globex', null, 'acme'].entries()) {
      const tenant = org === null ? {} : { tenant: org }
      const field = keywright.field('pii', { column: 'email', context: { app: 'crm' }, ...tenant })
      made.table.set(idOf(at), { org, email: await field.encryptToBytes(`${org}`) })
    }
    made.table.set('0007', { org: 'a/b', email: made.table.get('0001')['email'] as Buffer })
    made.table.set('0008', { org: 'globex', email: made.table.get('0000')['email'] as Buffer }) // of acme
    await keywright.keys.rotate('pii', { force: true, now: true, tenant: 'acme' })
    const report = await keywright.jobs.reencrypt({ keyrings: ['pii/acme', 'pii/globex'], ...threads })
    expect(columnOf(report)).toMatchObject({ done: 2, current: 1, skipped: 1, failed: 2 })
    expect(columnOf(report)?.failures).toEqual({ ERR_TENANT_INVALID: 1, ERR_KEYRING_MISMATCH: 1 })
    const stored = made.table.get('0003')['email'] as Uint8Array
    expect(stored).toBeInstanceOf(Uint8Array)
    const field = keywright.field('pii', { column: 'email', context: { app: 'crm' }, tenant: 'acme' })
    expect(await field.decrypt(stored)).toBe('acme')
  })

  it('counts what it encrypts in the usage of the active key', async () => {
    const { app: made, keywright, active } = await rotated(20)
    await keywright.jobs.reencrypt(threads)
    await keywright.close()
    expect((await made.store.get(active))?.usage).toMatchObject({ messages: 20, bytes: 20 * 23 })
  })

  it('leaves values of a suspended key and goes on', async () => {
    const { app: made, keywright } = await rotated(3)
    const [first] = await keywright.keys.list({ keyType: 'pii' })
    await keywright.keys.suspend(first?.id ?? 0, 'test')
    const report = await keywright.jobs.reencrypt(threads)
    expect(columnOf(report)).toMatchObject({ done: 0, failed: 3, failures: { ERR_KEY_SUSPENDED: 3 } })
    expect(made.table.writes).toBe(1)
  })
})

describe('what happens meanwhile', () => {
  it('an update of the application survives, and the row is done again', async () => {
    const { app: made, keywright, active } = await rotated(8)
    const field = keywright.field('people.email')
    let once = true
    made.table.before = async (call) => {
      if (call !== 'write' || !once) return
      once = false
      made.table.set('0002', { id: '0002', email: await field.encrypt('new@example.com', { row: '0002' }) })
      made.table.set('0003', { id: '0003', email: null })
      made.table.set('0004', { id: '0004', email: 'plain' })
      made.table.rows.delete('0005')
    }
    const report = await keywright.jobs.reencrypt()
    expect(report.places[0]?.counts).toMatchObject({ rows: 7, written: 4, gone: 1, changed: 0 })
    expect(columnOf(report)).toMatchObject({ done: 4, current: 1, empty: 1, plain: 1 })
    expect(await field.decrypt(made.table.get('0002')['email'] as string, { row: '0002' })).toBe(
      'new@example.com',
    )
    expect(keysIn(made.table).get(active)).toBe(5)
  })

  it('a row that the application goes on changing stays as the application wrote it', async () => {
    const made = app()
    const keywright = made.open()
    await made.fill(keywright, 3)
    const field = await keywright.field('people.email').ready()
    const old = ['a', 'b', 'c'].map((text) => field.encryptSync(text, { row: '0001' }))
    await keywright.keys.rotate('pii', { force: true, now: true })
    let turn = 0
    made.table.before = (call) => {
      if (call === 'write') made.table.set('0001', { id: '0001', email: old[++turn % 3] as string })
    }
    const report = await keywright.jobs.reencrypt()
    expect(report.outcome).toBe('incomplete')
    expect(report.places[0]?.counts).toMatchObject({ rows: 2, changed: 1, gone: 0 })
    expect(report.warnings).toHaveLength(1)
    expect(old).toContain(made.table.get('0001')['email'])
  })

  it.each([
    ['before', true],
    ['before', false],
    ['after', true],
    ['after', false],
  ] as const)(
    'a connection lost %s a write: run again it counts each row once (%s)',
    async (when, transactions) => {
      const { app: made, keywright, active } = await rotated(30, { transactions })
      let calls = 0
      const lose = (): void => {
        if (++calls === 3) throw connectionLost()
      }
      if (when === 'after') made.table.after = lose
      else made.table.before = (call) => (call === 'write' ? lose() : undefined)
      await expectCode(keywright.jobs.reencrypt({ batch: 4 }), 'ERR_SOURCE_UNAVAILABLE')
      expect(made.table.open).toBe(0)
      const report = await keywright.jobs.reencrypt({ batch: 4 })
      expect(report.places[0]).toMatchObject({ resumed: true, counts: { rows: 30, written: 30 } })
      expect(columnOf(report)).toMatchObject({ done: 30, current: 0 })
      expect([...keysIn(made.table)]).toEqual([[active, 30]])
      expect(await made.store.documents?.list('jobs/')).toEqual([])
    },
  )

  it('stops between two pages when it is told to, and goes on there', async () => {
    const { app: made, keywright } = await rotated(40)
    const stop = new AbortController()
    const seen: ValueProgress[] = []
    const onProgress = (progress: ValueProgress): void => {
      seen.push(progress)
      if (progress.done === 10) stop.abort()
    }
    const error = await expectCode(
      keywright.jobs.reencrypt({ batch: 5, onProgress, signal: stop.signal }),
      'ERR_ABORTED',
    )
    expect(error.hint).toContain('run it again')
    expect(seen.map(({ done }) => done)).toEqual([5, 10])
    expect(seen[0]).toMatchObject({ place: 'people', step: 'reencrypt', total: 40 })
    const report = await keywright.jobs.reencrypt({ batch: 5 })
    expect(report.places[0]).toMatchObject({ resumed: true, counts: { rows: 40, written: 40 } })
    expect([...keysIn(made.table).values()]).toEqual([40])
  })

  it('a second operator is refused while the first one is at work', async () => {
    const { app: made, keywright } = await rotated(8)
    const other = made.open()
    let second: Promise<unknown> | undefined
    made.table.before = async (call) => {
      if (call !== 'write' || second !== undefined) return
      second = expectCode(other.jobs.reencrypt(), 'ERR_JOB_RUNNING')
      expect(String(await second)).toContain('the values of "people"')
    }
    await keywright.jobs.reencrypt({ batch: 3 })
    expect(second).toBeDefined()
    await other.jobs.reencrypt()
  })

  it('the checkpoint of another job is told apart, and can be forgotten', async () => {
    const { app: made, keywright } = await rotated(12)
    made.table.after = () => {
      throw connectionLost()
    }
    await expectCode(keywright.jobs.reencrypt({ batch: 3 }), 'ERR_SOURCE_UNAVAILABLE')
    made.table.after = undefined
    const error = await expectCode(keywright.jobs.reencrypt({ keyrings: ['pii'] }), 'ERR_CHECKPOINT_FOREIGN')
    expect(error.hint).toContain('--restart')
    const report = await keywright.jobs.reencrypt({ keyrings: ['pii'], restart: true })
    expect(report.places[0]).toMatchObject({ resumed: false, counts: { rows: 12 } })
    expect(columnOf(report)).toMatchObject({ done: 9, current: 3 })
  })

  it('an outage of the provider stops it, and nothing is counted as failed', async () => {
    const { app: made } = await rotated(5)
    made.provider.mode = 'down'
    await expectCode(made.open().jobs.reencrypt(), 'ERR_PROVIDER_UNAVAILABLE')
    made.provider.mode = 'up'
    expect(columnOf(await made.open().jobs.reencrypt())).toMatchObject({ done: 5, failed: 0 })
  })
})

describe('what is refused before anything is read', () => {
  it.each([
    [{ batch: 0 }, 'ERR_ARGUMENT_INVALID', 'batch'],
    [{ rate: -1 }, 'ERR_ARGUMENT_INVALID', 'rate'],
    [{ maxLatencyMs: Number.NaN }, 'ERR_ARGUMENT_INVALID', 'maxLatencyMs'],
    [{ workers: 0 }, 'ERR_ARGUMENT_INVALID', 'workers'],
    [{ places: ['peple'] }, 'ERR_SOURCE_UNKNOWN', ''],
    [{ keyTypes: ['session'] }, 'ERR_SOURCE_UNKNOWN', ''],
    [{ keyTypes: ['pie'] }, 'ERR_KEY_TYPE_UNKNOWN', ''],
    [{ keyrings: ['/'] }, 'ERR_ARGUMENT_INVALID', ''],
  ] as const)('%j: %s', async (options, code, named) => {
    const { app: made, keywright } = await rotated(1)
    const error = await expectCode(keywright.jobs.reencrypt(options as never), code)
    expect(error.message).toContain(named)
    expect(made.table.writes).toBe(0)
  })

  it('a column without a key type, and one of search tokens', async () => {
    const none = app({ columns: { colour: {} } })
    await expectCode(none.open().jobs.reencrypt(), 'ERR_FIELD_UNMATCHED')
    const tokens = app({ columns: { email: { keyType: 'blind_index' } } })
    await expectCode(tokens.open().jobs.reencrypt(), 'ERR_CONFIG_INVALID')
  })

  it('no place at all', async () => {
    const error = await expectCode(app({ places: [] }).open().jobs.reencrypt(), 'ERR_SOURCE_UNKNOWN')
    expect(error.hint).toContain('sources')
  })
})
