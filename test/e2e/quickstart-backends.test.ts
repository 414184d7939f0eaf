/** `quickstart --backend …`: the same job with a server holding the master key. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { quickstart } from '../../src/cli/quickstart/quickstart.ts'
import type { EmulatorName } from '../../src/testing/emulator.ts'
import { LOCAL_SERVERS } from '../../src/testing/servers.ts'
import { serverFor } from '../kit/servers.ts'

const BACKENDS: readonly (readonly [string, EmulatorName])[] = [
  ['vault', 'vault'],
  ['redis', 'redis'],
  ['aws_kms', 'aws-kms'],
  ['azure_kv', 'azure-key-vault'],
  ['gcp_kms', 'gcp-kms'],
]
const skips = new Map<string, string | undefined>()
for (const [backend, name] of BACKENDS)
  skips.set(backend, (await serverFor(await LOCAL_SERVERS[name][0].load())).skip)

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-quickstart-'))
  vi.stubEnv('KEYWRIGHT_EMULATORS', 'native')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  vi.unstubAllEnvs()
})

async function run(backend: string): Promise<string> {
  const said: string[] = []
  const say = async (text: string): Promise<void> => void said.push(text)
  const print = { step: say, line: say }
  await quickstart({ csv: 'examples/customers.csv', folder, fields: {}, backend, print })
  return said.join('\n')
}

describe('quickstart on a server', () => {
  it.for(BACKENDS)('%s: the whole job, and nothing is left', { timeout: 120_000 }, async (row, { skip }) => {
    const [backend, name] = row
    const missing = skips.get(backend)
    if (missing !== undefined) skip(missing)
    const said = await run(backend)
    expect(said).toContain(`ENCRYPTION_KEY_STORAGE_BACKEND=${backend}`)
    expect(said).toContain('read everything back: 6600 values')
    expect(said).toContain('the chain is whole')
    expect(said).toContain(`${name}-`)
    expect(said).not.toMatch(/(TOKEN|SECRET_ACCESS_KEY|MASTER_KEY|REDIS_URL)=(?!\(made for this run\))/)
    expect(readdirSync(folder)).toEqual([])
  })

  it('knows no other backend', async () => {
    await expect(run('postgres')).rejects.toMatchObject({ code: 'ERR_ARGUMENT_INVALID' })
  })
})
