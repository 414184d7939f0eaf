/** Retention: what is kept, by name and by rule; the last good backup never goes. */
import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planPrune } from '../../src/data/backups/retention.ts'
import { expectCode } from '../kit/failures.ts'
import { TestProvider } from '../kit/provider.ts'
import { Lab } from './kit.ts'

const DAY_MS = 86_400_000

let lab: Lab
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.end())

/** One backup a day, the newest last. */
async function daily(days: number, name = 'app'): Promise<string[]> {
  const ids: string[] = []
  for (let day = 0; day < days; day++) {
    ids.push((await lab.backup(name, `day ${day}`)).id)
    lab.clock.advance(DAY_MS)
  }
  return ids
}

const prune = (options: object) => lab.keywright.backups.prune({ folder: lab.backups, ...options })

async function spoil(id: string): Promise<void> {
  const path = join(lab.backups, id, 'backup.kwf')
  const bytes = readFileSync(path)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  await writeFile(path, bytes)
}

describe('the rules', () => {
  it.each([
    [{ keep: 2 }, 2],
    [{ keep: 9 }, 5],
    [{ keepDays: 3.5 }, 3],
    [{ keepDays: 0.5 }, 1], // none is that young: the newest stays as the last good one
    [{ keep: 1, keepDays: 3.5 }, 3],
    [{ keep: 4, keepDays: 1.5 }, 4],
  ])('%j keep %i of five', async (rules, kept) => {
    const ids = await daily(5)
    const report = await prune(rules)
    expect([...report.removed].sort()).toEqual(ids.slice(0, 5 - kept))
    expect(await lab.entries()).toEqual(ids.slice(5 - kept).sort())
  })

  it('count by name, and a name alone', async () => {
    const [app, other] = [await daily(3, 'app'), await daily(3, 'other')]
    await prune({ keep: 2, name: 'app' })
    expect(await lab.entries()).toEqual([...app.slice(1), ...other].sort())
    await prune({ keep: 1 })
    expect(await lab.entries()).toEqual([...app.slice(2), ...other.slice(2)].sort())
  })

  it.each([{}, { keep: 0 }, { keep: 1.5 }, { keep: -1 }, { keepDays: 0 }, { keepDays: Number.NaN }])(
    '%j are refused',
    async (rules) => {
      const ids = await daily(2)
      await expectCode(prune(rules), 'ERR_ARGUMENT_INVALID')
      expect(await lab.entries()).toEqual(ids)
    },
  )

  it('tell the same when nothing is to go yet', async () => {
    const ids = await daily(4)
    const planned = await prune({ keep: 2, dryRun: true })
    expect(await lab.entries()).toEqual(ids)
    expect(await prune({ keep: 2 })).toEqual(planned)
  })

  it('tell the newest of a moment from the others', async () => {
    const made: string[] = []
    for (let n = 0; n < 6; n++) {
      made.push((await lab.backup('app', `${n}`)).id)
      lab.clock.advance(10)
    }
    await prune({ keep: 2 })
    expect(await lab.entries()).toEqual(made.slice(4).sort())
  })
})

describe('the last good one', () => {
  it('stays though the rules do not keep it', async () => {
    const ids = await daily(4)
    for (const id of ids.slice(2)) await spoil(id)
    const report = await prune({ keep: 2 })
    expect([report.keptAsLastGood, report.removed]).toEqual([[ids[1]], [ids[0]]])
    expect(await lab.entries()).toEqual(ids.slice(1))
  })

  it('is not there: nothing goes', async () => {
    const ids = await daily(3)
    for (const id of ids) await spoil(id)
    const report = await prune({ keep: 1 })
    expect([report.removed, report.withoutGood]).toEqual([[], ['app']])
    expect(await lab.entries()).toEqual(ids)
  })

  it('cannot be known while the provider is down: nothing goes', async () => {
    const provider = new TestProvider()
    const { Keywright } = await import('../kit/library.ts')
    const { policyWith } = await import('../kit/world.ts')
    const open = () =>
      new Keywright({
        provider: provider.client(),
        store: lab.store,
        policy: policyWith({ backups: { serveStaleMs: 0, cache: { uses: 1 } } }),
        clock: lab.clock.forProcess(),
        resilience: { attempts: 1 },
      })
    const first = open()
    const ids: string[] = []
    for (let n = 0; n < 3; n++) {
      const stream = (async function* () {
        yield Buffer.from('x')
      })()
      ids.push((await first.backups.create({ to: lab.backups, name: 'app', source: { stream } })).id)
      lab.clock.advance(DAY_MS)
    }
    provider.mode = 'down'
    const second = open()
    await expectCode(second.backups.prune({ folder: lab.backups, keep: 1 }), 'ERR_PROVIDER_UNAVAILABLE')
    expect(await lab.entries()).toEqual(ids)
  })

  it('is not removed by name, unless forced', async () => {
    const [first = '', second = ''] = await daily(2)
    const remove = (id: string, force = false) =>
      lab.keywright.backups.remove({ folder: lab.backups, id, force })
    await spoil(second)
    await expectCode(remove(first), 'ERR_ARGUMENT_INVALID')
    await remove(second)
    await expectCode(remove(first), 'ERR_ARGUMENT_INVALID')
    await remove(first, true)
    expect(await lab.entries()).toEqual([])
    await expectCode(remove(first), 'ERR_BACKUP_UNKNOWN')
    await expectCode(remove('../x'), 'ERR_ARGUMENT_INVALID')
  })

  it('in clear counts only where that is said', async () => {
    const { backups } = lab.keywright
    const ids: string[] = []
    for (let n = 0; n < 3; n++) {
      const stream = (async function* () {
        yield Buffer.from('x')
      })()
      const made = { to: lab.backups, name: 'clear', source: { stream }, encrypt: false }
      ids.push((await backups.create(made)).id)
      lab.clock.advance(DAY_MS)
    }
    expect(await prune({ keep: 1 })).toMatchObject({ removed: [], withoutGood: ['clear'] })
    expect((await prune({ keep: 1, allowUnencrypted: true })).removed.length).toBe(2)
    expect(await lab.entries()).toEqual(ids.slice(2))
  })
})

it('leaves alone what is no backup, and what cannot be read as one', async () => {
  const ids = await daily(2)
  await mkdir(join(lab.backups, 'mine'))
  await writeFile(join(lab.backups, 'notes.txt'), 'mine')
  await rm(join(lab.backups, ids[0] ?? '', 'manifest.json'))
  const report = await prune({ keep: 1 })
  expect([report.removed, report.unreadable]).toEqual([[], [ids[0]]])
  expect(await lab.entries()).toEqual([...ids, 'mine', 'notes.txt'].sort())
})

it('finishes what an earlier run had begun to remove', async () => {
  await daily(1)
  await mkdir(join(lab.backups, '.removed-20260101T000000Z-000000000000/x'), { recursive: true })
  await prune({ keep: 1 })
  expect((await lab.entries()).length).toBe(1)
})

it('any history: what stays has a good one whenever there was one', async () => {
  const one = fc.record({ good: fc.boolean(), name: fc.constantFrom('a', 'b') })
  await fc.assert(
    fc.asyncProperty(
      fc.array(one, { maxLength: 7 }),
      fc.record({ keep: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }) }),
      fc.integer({ min: 1, max: 5 }),
      async (history, { keep }, keepDays) => {
        const all = history.map(({ name }, day) => ({
          created: new Date(Date.UTC(2026, 0, 1 + day)).toISOString(),
          name,
        }))
        const folder = lab.path(`history-${Math.random().toString(36).slice(2)}`)
        await mkdir(folder)
        const good = new Set<string>()
        for (const [day, { created, name }] of all.entries()) {
          const id = `${created.slice(0, 19).replace(/[-:]/g, '')}Z-${String(day).padStart(12, '0')}`
          await writeManifest(folder, { id, name, created })
          if (history[day]?.good) good.add(id)
        }
        const now = Date.UTC(2026, 0, 1 + history.length)
        const isGood = async ({ id }: { id: string }) => good.has(id)
        const rules = keep === undefined ? { keepDays } : { keep, keepDays }
        const { kept, keptAsLastGood, removed } = await planPrune(folder, rules, now, isGood)
        expect([...kept, ...keptAsLastGood, ...removed].sort()).toEqual(
          (await lab.keywright.backups.list(folder)).map(({ id }) => id).sort(),
        )
        const nameOf = new Map(
          (await lab.keywright.backups.list(folder)).map(({ id, manifest }) => [id, manifest?.name]),
        )
        for (const name of ['a', 'b']) {
          const had = [...good].some((id) => nameOf.get(id) === name)
          const has = [...kept, ...keptAsLastGood].some((id) => good.has(id) && nameOf.get(id) === name)
          expect(has).toBe(had)
        }
      },
    ),
    { numRuns: 40 },
  )
})

async function writeManifest(folder: string, identity: { id: string; name: string; created: string }) {
  await mkdir(join(folder, identity.id))
  await writeFile(join(folder, identity.id, 'backup.kwf'), '')
  const manifest = {
    ...{ format: 'keywright-backup', version: 1, kind: 'stream', tool: 'test', compression: 'none' },
    ...{
      encrypted: true,
      file: 'backup.kwf',
      storedBytes: 0,
      sha256: '0'.repeat(64),
      contentBytes: 0,
      files: 1,
    },
    ...identity,
  }
  await writeFile(join(folder, identity.id, 'manifest.json'), JSON.stringify(manifest))
}
