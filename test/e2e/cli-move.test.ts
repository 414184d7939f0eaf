/** `move`, `repair` and `drill` between two key files of a policy document. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyFile } from '../../providers/file.ts'
import { Workplace } from './cli-kit.ts'

const MOVE = ['move', '--from', 'file', '--to', 'vault-file'] as const
const AT_ONCE = [...MOVE, '--window', '0s'] as const
const FRESH = '.keywright/fresh.keys'

let place: Workplace
let sealed: string[]

beforeEach(async () => {
  place = new Workplace()
  await place.init()
  const bytes = Buffer.from(place.rootKey, 'base64')
  await createKeyFile({ path: FRESH, rootSecret: { kind: 'key', bytes } })
  wrapBy('file')
  sealed = []
  for (const options of [['pii'], ['pii', '--tenant', 'acme'], ['session']])
    sealed.push(await place.encrypt('x', '--key-type', ...options))
})
afterEach(() => place.leave())

/** The policy document: both key files, new keys under one of them, or under one and then the other. */
function wrapBy(provider: string, ...furtherProviders: string[]): void {
  const document = {
    version: 1,
    provider,
    providers: {
      file: { type: 'file', path: '.keywright/master.keys' },
      'vault-file': { type: 'file', path: FRESH },
    },
    ...(furtherProviders.length === 0 ? {} : { defaults: { furtherProviders } }),
  }
  writeFileSync('config/encryption.json', JSON.stringify(document))
}

async function wraps(): Promise<string[]> {
  const keys = (await place.json(['keys', 'list'])) as { wraps: { provider: string }[] }[]
  return [...new Set(keys.map((key) => key.wraps.map(({ provider }) => provider).join()))]
}

async function expectAllOpen(): Promise<void> {
  for (const value of sealed) expect((await place.keywright(['decrypt', value])).out).toBe('x\n')
}

describe('move', () => {
  it('goes through with plan, steps and window, and the old key file is not needed any more', async () => {
    const plan = await place.keywright([...MOVE, '--dry-run'])
    expect(plan.code, plan.err).toBe(0)
    expect(plan.out).toContain('vault-file: 3 wraps, 9 unwraps; any: 3 unwraps')
    expect(plan.err).toContain('still wraps new keys')
    expect((await place.keywright([...MOVE, '--step', 'add'])).out).toBe(
      'added: file to vault-file: 3 added, 0 preferred, 0 removed\n',
    )
    expect(await wraps()).toEqual(['file,vault-file'])
    wrapBy('vault-file')
    const waiting = await place.keywright([...MOVE])
    expect(waiting).toMatchObject({ code: 0, err: '' })
    expect(waiting.out).toMatch(
      /^waiting: .*\n3 keys wrapped by both; run it again from \S+Z \(in 1 hour\) on/,
    )
    expect(await wraps()).toEqual(['vault-file,file'])
    const done = await place.keywright([...MOVE, '--report', 'report.json'], { later: 2 * 3_600_000 })
    expect(done).toMatchObject({
      code: 0,
      out: 'finished: file to vault-file: 0 added, 0 preferred, 3 removed\n',
    })
    expect(await wraps()).toEqual(['vault-file'])
    renameSync('.keywright/master.keys', 'gone.keys')
    await expectAllOpen()
  })

  it('writes a report that the audit log names by its digest', async () => {
    wrapBy('vault-file')
    const { code } = await place.keywright([...AT_ONCE, '--report', 'report.json', '--reason', 'new file'])
    expect([code, statSync('report.json').mode & 0o777]).toEqual([0, 0o600])
    const { digest, ...report } = JSON.parse(readFileSync('report.json', 'utf8'))
    const sorted = (_: string, value: unknown): unknown =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value
    expect(digest).toBe(createHash('sha256').update(JSON.stringify(report, sorted)).digest('hex'))
    const { out } = await place.keywright(['audit', 'list', '--event', 'job.finish', '--json'])
    expect(JSON.parse(out)).toMatchObject({ details: { job: 'move', outcome: 'finished', digest } })
    expect(report.keys).toHaveLength(3)
    const again = await place.keywright([...AT_ONCE, '--report', 'report.json'])
    expect([again.code, again.err.includes('never written over')]).toEqual([2, true])
  })

  it('says as JSON what it did', async () => {
    wrapBy('vault-file')
    const report = await place.json([...AT_ONCE, '--keyring', 'pii', '--concurrency', '2'])
    expect(report).toMatchObject({ outcome: 'finished', selection: { keyring: 'pii' }, done: { removed: 1 } })
    expect(await place.json([...MOVE, '--dry-run'])).toMatchObject({
      phase: 'new',
      counts: { source: 2, moved: 1 },
    })
  })

  it('is rolled back', async () => {
    wrapBy('vault-file')
    await place.keywright([...MOVE])
    wrapBy('file')
    const { code, out } = await place.keywright([...MOVE, '--rollback'])
    expect([code, out]).toEqual([0, 'rolled back: file preferred again for 3 keys, 3 wraps removed\n'])
    expect(await wraps()).toEqual(['file'])
    wrapBy('vault-file')
    await place.keywright([...AT_ONCE])
    const refused = await place.keywright([...MOVE, '--rollback'])
    expect([refused.code, refused.err.includes('ERR_JOB_REFUSED')]).toEqual([1, true])
  })

  it('keeps the old wraps while the policy makes new ones, with exit code 1', async () => {
    const { code, out, err } = await place.keywright([...AT_ONCE])
    expect([code, out.startsWith('blocked: ')]).toEqual([1, true])
    expect(err).toContain('ERR_JOB_REFUSED')
    expect((await place.keywright([...AT_ONCE, '--step', 'remove'])).code).toBe(1)
    expect(await wraps()).toEqual(['vault-file,file'])
  })

  it('tells which keys failed, with exit code 1', async () => {
    wrapBy('vault-file')
    renameSync('.keywright/master.keys', 'gone.keys')
    const { code, out, err } = await place.keywright([...AT_ONCE, '--json'])
    expect([code, JSON.parse(out).outcome]).toEqual([1, 'incomplete'])
    expect(err).toContain('ERR_KEY_FILE_MISSING')
    expect(err).toContain('ERR_JOB_INCOMPLETE')
    renameSync('gone.keys', '.keywright/master.keys')
    await expectAllOpen()
  })

  it.each<[readonly string[], number, string]>([
    [['move'], 2, '--from is missing'],
    [['move', '--from', 'file'], 2, '--to is missing'],
    [['move', '--from', 'file', '--to', 'file'], 2, 'a move onto itself'],
    [['move', '--from', 'file', '--to', 'nosuch'], 2, 'ERR_PROVIDER_UNKNOWN'],
    [['move', '--from', 'vault-file', '--to', 'file'], 1, 'nothing to move'],
    [[...MOVE, '--window', 'soon'], 2, '--window is not a time'],
    [[...MOVE, '--concurrency', '0'], 2, '--concurrency'],
    [[...MOVE, '--step', 'jump'], 2, 'no such choice'],
    [[...MOVE, '--rollback', '--step', 'add'], 2, '--rollback takes neither'],
    [[...MOVE, '--keyring', 'pii', '--tenant', 'acme'], 2, 'beside a key type or tenant'],
  ])('%j is refused with %i', async (argv, code, text) => {
    const before = place.fingerprint()
    const result = await place.keywright(argv)
    expect(result.code, result.err).toBe(code)
    expect(result.err).toContain(text)
    expect(place.fingerprint()).toBe(before)
  })
})

describe('repair and drill', () => {
  it('a key that only one file wraps is lost without it, and is not after a repair', async () => {
    wrapBy('file', 'vault-file')
    const lost = await place.keywright(['drill', '--without', 'file'])
    expect(lost.code).toBe(1)
    expect(lost.out).toMatch(/^without file: 3 keys would be lost of 3 keys\nKEYRING/)
    expect(lost.out).toMatch(/pii\/acme +1 +\d+ {2}enabled {2}no other wrap/)
    const planned = await place.keywright(['repair', '--dry-run'])
    expect(planned.out).toBe('planned: missing: vault-file 3; not wanted: none\n')
    expect((await place.keywright(['repair'])).out).toBe(
      'finished: 3 keys repaired, 0 keys pruned; missing: none; not wanted: none\n',
    )
    const { code, out } = await place.keywright(['drill', '--without', 'file'])
    expect([code, out]).toEqual([0, 'without file: all open of 3 keys; vault-file opens 3\n'])
    expect(await place.json(['drill', '--only', 'vault-file', '--key-type', 'pii'])).toMatchObject({
      outcome: 'all open',
      without: ['file'],
      keys: 2,
    })
    renameSync('.keywright/master.keys', 'gone.keys')
    await expectAllOpen()
  })

  it('prunes what the policy does not want any more', async () => {
    wrapBy('file', 'vault-file')
    await place.keywright(['repair'])
    wrapBy('file')
    const kept = await place.keywright(['repair'])
    expect([kept.code, kept.err.includes('--prune removes them')]).toEqual([0, true])
    expect(await place.json(['repair', '--prune'])).toMatchObject({
      outcome: 'finished',
      done: { removed: 3 },
    })
    expect(await wraps()).toEqual(['file'])
    await expectAllOpen()
  })

  it('a repair that cannot be done ends with exit code 1 and changes nothing', async () => {
    wrapBy('file', 'vault-file')
    renameSync(FRESH, 'gone.keys')
    const { code, err } = await place.keywright(['repair'])
    expect([code, err.includes('ERR_JOB_INCOMPLETE')]).toEqual([1, true])
    expect(err).toContain('ERR_KEY_FILE_MISSING')
    expect([await wraps(), existsSync(FRESH)]).toEqual([['file'], false])
  })

  it.each<[readonly string[], number, string]>([
    [['drill'], 2, 'either --without or --only'],
    [['drill', '--without', 'a', '--only', 'b'], 2, 'either --without or --only'],
    [['drill', '--without', ','], 2, 'ERR_ARGUMENT_INVALID'],
    [['drill', '--without', 'nosuch'], 2, 'ERR_PROVIDER_UNKNOWN'],
    [['repair', '--key-type', 'P I'], 2, 'not the name of a key type'],
  ])('%j is refused with %i', async (argv, code, text) => {
    const result = await place.keywright(argv)
    expect(result.code, result.err).toBe(code)
    expect(result.err).toContain(text)
  })
})
