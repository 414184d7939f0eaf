/** Six backends with a master key each, as provider instances of one policy document. */
import { randomBytes } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BACKENDS } from '../../providers/index.ts'
import { open } from '../../src/index.ts'
import type { Emulator, EmulatorName, LocalServer } from '../../src/testing/emulator.ts'

export const NAMES = ['file', 'vault', 'aws', 'gcp', 'azure', 'redis'] as const
export type Name = (typeof NAMES)[number]

const BACKEND_OF: Readonly<Record<Name, string>> = {
  file: 'file',
  vault: 'vault',
  aws: 'aws-kms',
  gcp: 'gcp-kms',
  azure: 'azure-key-vault',
  redis: 'redis',
}

type Options = Readonly<Record<string, unknown>>

export interface SixBackends {
  readonly storeUrl: string
  /** The root secret of file and Redis. */
  readonly env: Readonly<Record<string, string>>
  /** A policy document with all providers, or some, that wraps new keys under `provider`; resolves to its path. */
  policy(provider: Name, providers?: readonly Name[]): Promise<string>
  /** The backend is gone: its server ends, its key file moves away. */
  takeDown(name: Name): Promise<void>
  /** Only of the file. */
  bringBack(name: 'file'): Promise<void>
  stop(): Promise<void>
}

/** Starts all servers, with a master key in each. */
export async function startSix(
  folder: string,
  servers: Readonly<Record<Exclude<Name, 'file'>, LocalServer>>,
): Promise<SixBackends> {
  const names = NAMES.filter((name) => name !== 'file')
  const emulators = new Map<Name, Emulator>()
  for (const name of names) emulators.set(name, await servers[name].start({ startTimeoutMs: 120_000 }))
  const redisEnv = emulators.get('redis')?.env ?? {}
  const env = {
    ENCRYPTION_MASTER_KEY: redisEnv['ENCRYPTION_MASTER_KEY'] ?? randomBytes(32).toString('base64'),
  }
  const keyFile = join(folder, 'keys', 'master.keys')
  const providers = new Map<Name, Options>([['file', { type: 'file', path: keyFile }]])
  for (const [name, { env: found }] of emulators) providers.set(name, optionsOf(BACKEND_OF[name], found))
  await mkdir(join(folder, 'keys'))
  const storeUrl = `sqlite:${join(folder, 'keys.db')}`
  const first = { backend: 'file', path: keyFile, storeUrl, audit: false as const, environment: env }
  const maker = await open({ ...first, create: true })
  await maker.check() // the key file is made with the first call
  await maker.close()
  let documents = 0
  return {
    storeUrl,
    env: { ...env, ENCRYPTION_AUDIT_PATH: join(folder, 'audit.jsonl') },
    async policy(provider, only = NAMES) {
      const path = join(folder, `policy-${documents++}.json`)
      await writeFile(path, JSON.stringify(policyDocument(provider, only, providers)))
      return path
    },
    async takeDown(name) {
      if (name === 'file') await rename(keyFile, `${keyFile}.away`)
      else await emulators.get(name)?.stop()
    },
    bringBack: () => rename(`${keyFile}.away`, keyFile),
    async stop() {
      for (const emulator of emulators.values()) await emulator.stop()
    },
  }
}

/** Keys are fetched anew all the time, and nothing serves when its provider is gone: so that a move must work. */
function policyDocument(
  provider: Name,
  only: readonly Name[],
  providers: ReadonlyMap<Name, Options>,
): object {
  return {
    provider,
    providers: Object.fromEntries([...providers].filter(([name]) => only.includes(name))),
    defaults: { serveStale: '0s', cache: { ttl: '1500ms', refresh: '1s' } },
  }
}

/** The options that these environment variables would set. */
function optionsOf(backend: string, env: Readonly<Record<string, string>>): Options {
  const rows = BACKENDS[backend]?.variables ?? []
  const set = rows.flatMap(({ option, variables }) => {
    const name = variables.find((variable) => env[variable] !== undefined)
    return name === undefined ? [] : [[option, env[name]] as const]
  })
  return { type: backend, ...Object.fromEntries(set) }
}

/** The servers by the names of the kit. */
export const EMULATOR_OF: Readonly<Record<Exclude<Name, 'file'>, EmulatorName>> = {
  vault: 'vault',
  aws: 'aws-kms',
  gcp: 'gcp-kms',
  azure: 'azure-key-vault',
  redis: 'redis',
}
