/**
 * Killed with -9 at any point: what has its name is whole, what was there before is there, and the next run clears up.
 * KEYWRIGHT_TEST_SEED repeats the choices of a run that failed; where a kill lands is up to the machine.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Keywright } from '../../src/index.ts'
import { randomFrom } from '../crash/random.ts'
import { openPlace, type Place, placeIn, removePlace } from '../race/support/place.ts'
import { endWorkers, Worker } from '../race/support/worker.ts'
import type { CrashWork } from './crash-worker.ts'
import { pictureOf } from './kit.ts'

const SCRIPT = join(import.meta.dirname, 'crash-worker.ts')
const KILLS = 6

const seed = Number(process.env['KEYWRIGHT_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const random = randomFrom(seed)

const place: Place = placeIn(mkdtempSync(join(tmpdir(), 'keywright-backup-kill-')))
const at = (...parts: readonly string[]): string => join(place.folder, ...parts)
const tree = at('tree')
const backups = at('backups')
let keywright: Keywright

beforeAll(async () => {
  mkdirSync(join(tree, 'sub'), { recursive: true })
  for (let n = 0; n < 40; n++) writeFileSync(join(tree, 'sub', `file ${n}`), randomBytes(60_000))
  keywright = await openPlace(place, { create: true })
  await keywright.keyring('backups') // the master key is made with its first use
})
afterAll(async () => {
  await endWorkers()
  await keywright.close()
  removePlace(place)
})

/** Lets a worker work for a random while, then kills it. */
async function killed(work: Omit<CrashWork, 'place' | 'backups'>): Promise<void> {
  const worker = new Worker(SCRIPT, { ...work, place, backups } satisfies CrashWork)
  await worker.line(0)
  worker.send('go')
  await worker.line(1)
  await sleep(random() * 250)
  worker.kill()
  expect(await worker.ended).toMatchObject({ signal: 'SIGKILL' })
}

const hidden = (folder: string): string[] => readdirSync(folder).filter((name) => name.includes('.part-'))

it(`create: every backup that has its name is whole (seed ${seed})`, async () => {
  let leftovers = 0
  for (let kill = 0; kill < KILLS; kill++) {
    await killed({ job: 'create', from: tree, to: '' })
    leftovers += hidden(backups).length
  }
  expect(leftovers).toBeGreaterThan(0) // kills did land within
  const listed = await keywright.backups.list(backups)
  expect(listed.filter(({ problem }) => problem !== undefined)).toEqual([])
  for (const { path } of listed) await keywright.backups.verify({ from: path })
  await keywright.backups.create({ to: backups, name: 'tree', source: { folder: tree } })
  expect(hidden(backups)).toEqual([])
})

it(`restore over what is there: it is the old or the new one, whole (seed ${seed})`, async () => {
  const { path: from } = await keywright.backups.create({
    to: backups,
    name: 'tree',
    source: { folder: tree },
  })
  const to = at('target')
  await keywright.backups.restore({ from, to })
  const whole = pictureOf(to)
  let leftovers = 0
  for (let kill = 0; kill < KILLS; kill++) {
    await killed({ job: 'restore', from, to })
    leftovers += hidden(place.folder).length
    // Between two renames there is a moment without a target: the next run, whatever comes of it, puts it back.
    const failing = keywright.backups.restore({ from: at('tree', 'sub', 'file 0'), to })
    await expect(failing).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(FILE_EXISTS|BACKUP_DAMAGED)$/),
    })
    expect(pictureOf(to)).toEqual(whole)
    expect(hidden(place.folder)).toEqual([])
  }
  expect(leftovers).toBeGreaterThan(0) // kills did land within
})

it('what was moved aside when the process died is put back by the next run', async () => {
  const { path: from } = await keywright.backups.create({
    to: backups,
    name: 'tree',
    source: { folder: tree },
  })
  const to = at('aside')
  mkdirSync(to)
  writeFileSync(join(to, 'mine'), 'mine')
  const left = at('.aside.restore.part-0123456789ab')
  mkdirSync(left)
  await rename(to, join(left, 'previous'))
  await expect(keywright.backups.restore({ from, to })).rejects.toMatchObject({ code: 'ERR_FILE_EXISTS' })
  expect(readdirSync(to)).toEqual(['mine'])
  expect(hidden(place.folder)).toEqual([])
})

it('does not take the work of one that is alive for a leftover', async () => {
  const gate = Promise.withResolvers<void>()
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield randomBytes(200_000)
    await gate.promise
    yield randomBytes(10)
  }
  const creating = keywright.backups.create({ to: backups, name: 'slow', source: { stream: slow() } })
  await expect.poll(() => hidden(backups).length).toBeGreaterThan(0)
  await keywright.backups.create({ to: backups, name: 'tree', source: { folder: tree } })
  const worker = new Worker(SCRIPT, { job: 'create', from: tree, to: '', place, backups } satisfies CrashWork)
  await worker.line(0)
  worker.send('go')
  await worker.line(2) // another process has made one meanwhile
  worker.kill()
  await worker.ended
  gate.resolve()
  const { path } = await creating
  expect(await keywright.backups.verify({ from: path })).toMatchObject({
    name: 'slow',
    contentBytes: 200_010,
  })
})
