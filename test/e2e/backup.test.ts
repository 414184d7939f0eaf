/** `keywright backup …` as an operator uses it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY_MS, type RunOptions, Workplace } from './cli-kit.ts'

let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  await place.init()
  mkdirSync('data/sub', { recursive: true })
  writeFileSync('data/sub/ada.txt', 'ada')
})
afterEach(() => place.leave())

const TO = { ENCRYPTION_BACKUP_PATH: 'backups' }
const backup = (line: string, options: RunOptions = {}) =>
  place.keywright(['backup', ...line.split(' ')], { ...options, env: { ...TO, ...options.env } })

async function make(line: string, options: RunOptions = {}): Promise<string> {
  const { code, err, out } = await backup(`create ${line}`, options)
  if (code !== 0) throw new Error(err)
  expect(out).toMatch(/^\d{8}T\d{6}Z-[0-9a-f]{12}\n$/)
  return out.trim()
}

it('the whole way: make, list, verify, restore, remove', async () => {
  const id = await make('--name data --folder data')
  expect((await backup('list')).out).toMatch(new RegExp(`${id} +data +folder .*encrypted\n$`))
  expect(await backup('verify')).toMatchObject({ code: 0, out: expect.stringContaining(`ok  ${id}  data`) })
  const restored = await backup('restore latest --name data --to again')
  expect(restored).toMatchObject({ code: 0, out: expect.stringContaining('to again: 1 file, ') })
  expect(readFileSync('again/sub/ada.txt', 'utf8')).toBe('ada')
  expect(await backup(`restore ${id} --to again`)).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_FILE_EXISTS'),
  })
  expect(await backup(`remove ${id}`)).toMatchObject({ code: 2, err: expect.stringContaining('--yes') })
  expect(await backup(`remove ${id} --yes`)).toMatchObject({
    code: 2,
    err: expect.stringContaining('last good'),
  })
  expect(await backup(`remove ${id} --yes --force --reason test`)).toMatchObject({ code: 0 })
  expect(await backup('list')).toMatchObject({ code: 0, out: '', err: expect.stringContaining('no backups') })
  const { out } = await place.keywright(['audit', 'list'])
  for (const event of ['backup.create', 'backup.restore', 'backup.remove']) expect(out).toContain(event)
})

it('prints JSON, and nothing else, on standard output', async () => {
  await make('--name data --folder data')
  const [listed] = (await place.json(['backup', 'list'], { env: TO })) as [{ manifest: object; path: string }]
  expect(listed.manifest).toMatchObject({
    format: 'keywright-backup',
    kind: 'folder',
    encrypted: true,
    files: 1,
  })
  const to = await place.json(['backup', 'restore', listed.path, '--to', 'again'], { env: TO })
  expect(to).toMatchObject({ name: 'data', files: 1, to: 'again' })
})

describe('what is backed up', () => {
  it.each([
    ['nothing', '--name x'],
    ['two things', '--name x --stdin --folder data'],
    ['no name', '--folder data'],
    ['a wrong name', '--name ../x --folder data'],
    ['both rules of one kind', '--name x --folder data --keep 2 --keep-last'],
    ['a count that is none', '--name x --folder data --keep 0'],
  ])('%s is wrong use', async (_, line) => {
    expect(await backup(`create ${line}`)).toMatchObject({ code: 2, out: '' })
    expect(existsSync('backups')).toBe(false)
  })

  it('needs a place', async () => {
    const options = { env: { ENCRYPTION_BACKUP_PATH: undefined } }
    const result = await backup('create --name x --folder data', options)
    expect(result).toMatchObject({ code: 2, err: expect.stringContaining('ENCRYPTION_BACKUP_PATH') })
  })

  it('standard input, with compression, and out again as it was', async () => {
    const dump = 'INSERT INTO people;\n'.repeat(20_000)
    const id = await make('--name pg --stdin --zstd', { stdin: dump })
    const { out, err } = await backup(`restore ${id} --to -`)
    expect(out === dump).toBe(true)
    expect(err).toContain(`restored ${id}`)
  })

  it('what a program prints; when it fails there is none, and nothing of its arguments is told', async () => {
    const command = ['backup', 'create', '--name', 'x', '--to', 'backups', '--', process.execPath, '-e']
    const run = (script: string) => place.keywright([...command, script])
    expect(await run("console.log('hello'); console.error('my words')")).toMatchObject({
      code: 0,
      err: expect.stringContaining('my words'),
    })
    const failed = await run("console.log('half a dump'); process.exit(3) // hunter2")
    expect(failed).toMatchObject({ code: 1, out: '', err: expect.stringContaining('exit code 3') })
    expect(failed.err).not.toContain('hunter2')
    const killed = await run("console.log('x'); process.kill(process.pid, 'SIGKILL')")
    expect(killed).toMatchObject({ code: 1, err: expect.stringContaining('SIGKILL') })
    await run('console.log(Object.keys(process.env).join())')
    const { out } = await backup('restore latest --name x --to -')
    expect(out).not.toContain('ENCRYPTION_MASTER_KEY') // it is in the environment of this program
    const missing = await place.keywright([...command.slice(0, 7), './no-such-program'])
    expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('could not be started (ENOENT)') })
    expect(readdirSync('backups').length).toBe(2)
  })

  it('tells what is left out', async () => {
    symlinkSync('/etc/passwd', 'data/elsewhere')
    const { code, err } = await backup('create --name data --folder data')
    expect(code).toBe(0)
    expect(err).toContain('not in the backup: elsewhere')
  })
})

describe('BACKUP_ENCRYPTION_ENABLED', () => {
  const create = (value: string, env: Record<string, string> = {}, flags = '') =>
    backup(`create --name x --stdin${flags}`, {
      stdin: 'x',
      env: { BACKUP_ENCRYPTION_ENABLED: value, ...env },
    })
  const kinds = async (): Promise<boolean[]> =>
    ((await place.json(['backup', 'list'], { env: TO })) as { manifest: { encrypted: boolean } }[]).map(
      ({ manifest }) => manifest.encrypted,
    )

  it.each(['true', '1', 'TRUE', ''])('%j encrypts', async (value) => {
    expect(await create(value)).toMatchObject({ code: 0 })
    expect(await kinds()).toEqual([true])
  })

  it.each(['false', '0', 'False'])('%j writes in clear, with a warning', async (value) => {
    const { code, err } = await create(value)
    expect([code, err.includes('the backup is not encrypted')]).toEqual([0, true])
    expect(await kinds()).toEqual([false])
    expect(await backup('verify')).toMatchObject({ code: 1, out: expect.stringContaining('not encrypted') })
    expect(await backup('verify --allow-unencrypted')).toMatchObject({ code: 0 })
    expect(await backup('restore latest --name x --to out')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--allow-unencrypted'),
    })
    expect(await backup('restore latest --name x --to - --allow-unencrypted')).toMatchObject({ out: 'x' })
  })

  it.each(['no', 'yes', 'off', 'disabled', '2', 'falsch'])('%j is an error', async (value) => {
    const { code, err } = await create(value)
    expect(code).toBe(2)
    expect(err).toContain('BACKUP_ENCRYPTION_ENABLED expects true, false, 1 or 0')
    expect(existsSync('backups')).toBe(false)
  })

  it('false is refused in production, unless insisted upon', async () => {
    const production = { NODE_ENV: 'production' }
    expect(await create('false', production)).toMatchObject({
      code: 2,
      err: expect.stringContaining('in production'),
    })
    expect(existsSync('backups')).toBe(false)
    expect(await create('false', production, ' --allow-unencrypted')).toMatchObject({ code: 0 })
    expect(await create('true', production)).toMatchObject({ code: 0 })
    expect(await kinds()).toEqual([true, false])
  })
})

describe('retention', () => {
  it('after a backup, by name', async () => {
    for (let day = 0; day < 4; day++)
      await make('--name data --folder data --keep 2', { later: day * DAY_MS })
    await make('--name other --folder data')
    expect(readdirSync('backups').length).toBe(3)
  })

  it('by itself: a dry run tells what would go', async () => {
    const ids: string[] = []
    for (let day = 0; day < 3; day++)
      ids.push(await make('--name data --folder data', { later: day * DAY_MS }))
    const later = 2 * DAY_MS
    const planned = await backup('prune --keep-days 1 --dry-run', { later })
    expect(planned).toMatchObject({ code: 0, out: `${ids[1]}\n${ids[0]}\n` })
    expect(planned.err).toContain('2 backups would be removed, 1 kept')
    expect(readdirSync('backups').length).toBe(3)
    expect(await backup('prune --keep-last', { later })).toMatchObject({ code: 0, out: planned.out })
    expect(readdirSync('backups')).toEqual([ids[2]])
    expect(await backup('prune')).toMatchObject({ code: 2, err: expect.stringContaining('--keep 7') })
  })

  it('never takes the last good one', async () => {
    const good = await make('--name data --folder data')
    const bad = await make('--name data --folder data', { later: DAY_MS })
    writeFileSync(join('backups', bad, 'backup.kwf'), 'garbage')
    const { code, err, out } = await backup('prune --keep 1')
    expect([code, out]).toEqual([0, ''])
    expect(err).toContain(`kept against the rules, as the last good one: ${good}`)
    rmSync(join('backups', good), { recursive: true })
    await make('--name data --folder data --keep 5')
    expect(await backup('verify')).toMatchObject({ code: 1, err: expect.stringContaining('1 backup of 2') })
  })
})

describe('when the key store is gone', () => {
  it('restores it, and the rest, with the provider alone', async () => {
    const value = await place.encrypt('ada', '--key-type', 'pii')
    await make('--name keys --sqlite .keywright/keys.db')
    await make('--name data --folder data')
    for (const name of readdirSync('.keywright'))
      if (name.startsWith('keys.db')) rmSync(join('.keywright', name))
    const refused = await backup('restore latest --name data --to again')
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('--without-store') })
    expect(await backup('verify --without-store')).toMatchObject({ code: 0 })
    expect(await backup('restore latest --name data --to again --without-store')).toMatchObject({ code: 0 })
    expect(readFileSync('again/sub/ada.txt', 'utf8')).toBe('ada')
    const keys = 'restore latest --name keys --to .keywright/keys.db --without-store'
    expect(await backup(keys)).toMatchObject({ code: 0 })
    expect(await place.keywright(['decrypt', value])).toMatchObject({ code: 0, out: 'ada\n' })
    expect(await backup('verify')).toMatchObject({ code: 0 })
    expect(await place.keywright(['audit', 'verify'])).toMatchObject({ code: 0 })
    expect((await place.keywright(['audit', 'list', '--event', 'backup.restore'])).out).toContain('name=keys')
  })
})

it('tells what is not there', async () => {
  expect(await backup('list')).toMatchObject({ code: 1, err: expect.stringContaining('ERR_FILE_MISSING') })
  await make('--name data --folder data')
  for (const line of [
    'restore latest --name other --to x',
    'restore 20260101T000000Z-000000000000 --to x',
    'restore ./nowhere --to x',
  ])
    expect(await backup(line)).toMatchObject({ code: 1, err: expect.stringContaining('ERR_BACKUP_UNKNOWN') })
  expect(await backup('restore latest --to x')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--name'),
  })
  expect(await backup('restore latest --name data')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--to'),
  })
})
