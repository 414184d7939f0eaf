/** `store show` and `store copy`, from a file to PostgreSQL and back. */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Emulator } from '../../src/testing/emulator.ts'
import { postgres } from '../../src/testing/native/postgres.ts'
import { openStore } from '../../stores/index.ts'
import { serverFor } from '../kit/servers.ts'
import { Workplace } from './cli-kit.ts'

const server = await serverFor(postgres)
let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  await place.init()
})
afterEach(() => place.leave())

const sqliteUrl = (name: string): string => `sqlite:${join(place.folder, name)}`

/** The store that `init` makes. */
async function configuredStore(): Promise<string> {
  const settings = (await place.json(['config'])) as { name: string; value?: string }[]
  return settings.find(({ name }) => name === 'key store')?.value ?? ''
}

describe('store show', () => {
  it('tells where the store is and what is in it', async () => {
    await place.encrypt('a', '--key-type', 'pii')
    await place.encrypt('b', '--key-type', 'session')
    const shown = (await place.json(['store', 'show'])) as Record<string, unknown>
    expect(shown).toMatchObject({ schemaVersion: 2, destroyed: 0, documents: 0, warnings: [] })
    expect(shown['keys']).toBe(shown['keyrings'])
    expect(Number(shown['keys'])).toBeGreaterThanOrEqual(2)
    const { code, out } = await place.keywright(['store', 'show'])
    expect(code).toBe(0)
    expect(out).toContain(String(shown['installation']))
  })

  it('fails with the code of the store', async () => {
    const { code, err } = await place.keywright(['store', 'show', '--store', sqliteUrl('none.db')])
    expect([code, err]).toEqual([1, expect.stringContaining('ERR_STORE_MISSING')])
  })
})

describe('store copy', () => {
  it('makes a store from which everything opens', async () => {
    const text = await place.encrypt('ada@example.com', '--key-type', 'pii')
    const to = sqliteUrl('copy.db')
    const planned = await place.json(['store', 'copy', '--to', to, '--dry-run'])
    expect(planned).toMatchObject({ job: 'copy-store', outcome: 'dry-run' })
    await expect(openStore(to)).rejects.toMatchObject({ code: 'ERR_STORE_MISSING' })
    const report = (await place.json(['store', 'copy', '--to', to])) as Record<string, unknown>
    expect(report).toMatchObject({
      outcome: 'finished',
      to,
      inserted: (planned as { inserted: number }).inserted,
    })
    const opened = await place.keywright(['decrypt', '--store', to, text])
    expect([opened.code, opened.out.trim()]).toEqual([0, 'ada@example.com'])
    const again = await place.keywright(['store', 'copy', '--to', to])
    expect([again.code, again.out]).toEqual([
      0,
      expect.stringMatching(/^0 keys copied.*all \d+ keys? read back/),
    ])
    const dry = await place.json(['store', 'copy', '--to', to, '--dry-run'])
    expect(dry).toMatchObject({ outcome: 'dry-run', inserted: 0 })
  })

  it('is in the audit log, which still verifies', async () => {
    await place.encrypt('a', '--key-type', 'pii')
    await place.json(['store', 'copy', '--to', sqliteUrl('copy.db')])
    const { out } = await place.keywright(['audit', 'list', '--json'])
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; details?: { job?: string; outcome?: string } })
    const jobs = events.filter(({ details }) => details?.job === 'copy-store')
    expect(jobs.map(({ event, details }) => [event, details?.outcome])).toEqual([
      ['job.start', undefined],
      ['job.finish', 'finished'],
    ])
    expect((await place.keywright(['audit', 'verify'])).code).toBe(0)
  })

  it('writes no progress where there is no terminal', async () => {
    const { code, err } = await place.keywright(['store', 'copy', '--to', sqliteUrl('copy.db')])
    expect([code, err.includes('\r')]).toEqual([0, false])
  })

  it('refuses a foreign target, itself, and a missing option, and changes nothing', async () => {
    const own = await configuredStore()
    const foreign = sqliteUrl('foreign.db')
    await (await openStore(foreign, { create: true })).close?.()
    for (const [argv, exit, what] of [
      [['store', 'copy', '--to', foreign], 1, 'ERR_STORE_FOREIGN'],
      [['store', 'copy', '--to', own], 2, 'ERR_ARGUMENT_INVALID'],
      [['store', 'copy'], 2, '--to is missing'],
      [['store', 'copy', '--to', 'mysql://u:hunter2@h/db'], 2, 'ERR_BACKEND_UNKNOWN'],
      [['store', 'copy', '--from', sqliteUrl('none.db'), '--to', foreign], 1, 'ERR_STORE_MISSING'],
    ] as const) {
      const { code, err, out } = await place.keywright(argv)
      expect([code, err], argv.join(' ')).toEqual([exit, expect.stringContaining(what)])
      expect(err + out).not.toContain('hunter2')
    }
  })
})

describe.skipIf(server.skip)('store copy and postgres', () => {
  let emulator: Emulator
  beforeAll(async () => {
    if (server.start !== undefined) emulator = await server.start()
  })
  afterAll(() => emulator?.stop())

  it('moves to it and back, without ever printing the password', async () => {
    const text = await place.encrypt('ada@example.com', '--key-type', 'pii')
    const url = emulator.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
    const password = new URL(url).password
    const there = await place.keywright(['store', 'copy', '--to', url])
    expect(there).toMatchObject({ code: 0, out: expect.stringContaining(emulator.endpoint) })
    expect(there.err).toContain('the password in --to is visible')

    const env = { ENCRYPTION_KEY_STORE_URL: url }
    const opened = await place.keywright(['decrypt', text], { env })
    expect([opened.code, opened.out.trim()]).toEqual([0, 'ada@example.com'])
    const rotated = await place.keywright(
      ['keys', 'rotate', 'pii', '--force', '--now', '--reason', 'moved'],
      { env },
    )
    expect(rotated.code).toBe(0)
    const shown = await place.keywright(['store', 'show'], { env })
    expect(shown.out).toContain(emulator.endpoint)

    const back = sqliteUrl('back.db')
    const home = await place.keywright(['store', 'copy', '--to', back, '--json'], { env })
    expect(JSON.parse(home.out)).toMatchObject({ outcome: 'finished', from: emulator.endpoint, to: back })
    const stale = await place.keywright(['store', 'copy', '--to', url])
    expect([stale.code, stale.err]).toEqual([1, expect.stringContaining('ERR_STORE_CONFLICT')])
    for (const { out, err } of [there, opened, rotated, shown, home, stale]) {
      expect(out + err).not.toContain(password)
    }
  })
})
