/** Every program in examples/ runs against the built package, says what it did, and leaves nothing behind. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Emulator } from '../../src/testing/emulator.ts'
import { postgres } from '../../src/testing/native/postgres.ts'
import { redis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import { ROOT } from '../package/pack.ts'
import { buildProject, type Project } from './project.ts'

const MAX_LINES = 60
const MAX_COLUMNS = 110
const TIMEOUT_MS = 90_000
const SERVERS = { REDIS_URL: redis, DATABASE_URL: postgres } as const

interface Row {
  /** A line of what it prints. */
  readonly prints: string
  /** The variable with the URL of the server that it needs. */
  readonly server?: keyof typeof SERVERS
}

const PROGRAMS: Readonly<Record<string, Row>> = {
  backup: { prints: 'restored without the key store' },
  cache: { prints: 'copied to another key: null', server: 'REDIS_URL' },
  cookie: { prints: 'and with node:http: visit 2' },
  drizzle: { prints: 'found: ada@example.org 4200' },
  'express-api': { prints: 'in clear: 400' },
  'express-session': { prints: 'who is it? ada' },
  'fastify-api': { prints: 'sent by somebody else: 400 ERR_DECRYPTION_FAILED' },
  fields: { prints: 'keyrings: financial_data, pii, pii/acme' },
  files: { prints: 'bytes 700000-700005: page 1' },
  folder: { prints: '3 files recovered without the key store' },
  functions: { prints: 'raised: 1500' },
  'hono-api': { prints: 'received: {"tax":200}' },
  keyv: { prints: 'the value of another user: undefined' },
  kysely: { prints: "found: [ { id: 1, email: 'ada@example.org' } ]", server: 'DATABASE_URL' },
  lifecycle: { prints: 'cleanup: 1 key destroyed' },
  'log-lines': { prints: '3 paid 30 EUR' },
  'migrate-from-fernet': { prints: "after: { value: 'bob@example.org', format: 'current' }" },
  'migrate-from-plain-text': { prints: 'found by its token: 700.5' },
  models: { prints: 'found: ada@example.org 4200' },
  'own-source': { prints: 'key 1: 0, key 2: 300' },
  pino: { prints: "read again: { email: 'ada@example.org', ssn: '078-05-1120' }" },
  records: { prints: 'Key type: pii; field matches the selector "*.email"' },
  rotation: { prints: 'a month later: destroyed' },
  search: { prints: 'during the rotation: [ 1, 3 ]' },
  typeorm: { prints: 'read: influenza' },
  workers: { prints: 'finished 2000 rows in 8 ranges; under older keys: 0', server: 'REDIS_URL' },
}

const EXAMPLES = join(ROOT, 'examples')
const names = readdirSync(EXAMPLES)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
const textOf = (name: string): string => readFileSync(join(EXAMPLES, `${name}.ts`), 'utf8')

it('are all in the table of this test, and in the one of their README', () => {
  expect(names.sort()).toEqual(Object.keys(PROGRAMS).sort())
  const rows = readFileSync(join(EXAMPLES, 'README.md'), 'utf8').matchAll(
    /^\| \[([\w-]+)\.ts\]\(\1\.ts\) \| [^|]+ \| [^|]* \| `(?:([A-Z_]+)=\S+ )?node examples\/\1\.ts` \|$/gm,
  )
  const listed = [...rows].map(([, name, variable]) => [name, variable])
  expect(listed.sort()).toEqual(names.map((name) => [name, PROGRAMS[name]?.server]))
})

it.each(names)('%s is short, begins with what it shows, and imports what a user can', (name) => {
  const lines = textOf(name).trimEnd().split('\n')
  expect(lines.length).toBeLessThan(MAX_LINES)
  expect(lines.filter((line) => line.length > MAX_COLUMNS)).toEqual([])
  expect(lines[0]).toMatch(/^\/\*\* .+\. \*\/$/)
  expect(textOf(name)).not.toMatch(/from '\.|import\('\./)
})

const hasServer = {
  REDIS_URL: await serverFor(SERVERS.REDIS_URL),
  DATABASE_URL: await serverFor(SERVERS.DATABASE_URL),
}
const tooOld = Number.parseInt(process.versions.node, 10) < 24 && 'Node 22 has no `await using`'

describe.skipIf(tooOld)('with the built package', () => {
  const urls: Record<string, string> = {}
  const running: Emulator[] = []
  let project: Project

  beforeAll(async () => {
    project = await buildProject()
    for (const [variable, { start }] of Object.entries(hasServer)) {
      const server = await start?.()
      if (server === undefined) continue
      running.push(server)
      urls[variable] = server.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
    }
  }, TIMEOUT_MS)
  afterAll(async () => {
    await Promise.all(running.map((server) => server.stop()))
    await project?.remove()
  })

  it('type check', { timeout: TIMEOUT_MS }, async () => {
    expect(await project.check()).toBe('')
  })

  describe.concurrent('run', { timeout: TIMEOUT_MS }, () => {
    it.for(Object.entries(PROGRAMS))('%s', async ([name, { prints, server }], context) => {
      const skip = server && hasServer[server].skip
      if (skip !== undefined) context.skip(skip)
      const { code, left, stderr, stdout } = await project.run(name, server && { [server]: urls[server] })
      expect(stderr).toBe('')
      expect({ code, left }).toEqual({ code: 0, left: [] })
      expect(stdout).toContain(prints)
      expect(stdout).not.toMatch(/[\w+/-]{40}/) // as long as a key is
    })

    const withServer = Object.entries(PROGRAMS).filter(([, { server }]) => server !== undefined)
    it.for(withServer)('%s says what it needs where there is no server', async ([name, { server }]) => {
      const { code, left, stderr, stdout } = await project.run(name)
      expect({ code, left, stdout }).toEqual({ code: 2, left: [], stdout: '' })
      expect(stderr).toContain(`${server}=`)
    })
  })
})
