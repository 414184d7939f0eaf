/** Redis as Debian has it: a real server with a password, an append-only file and no eviction. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KeywrightError } from '../../errors.ts'
import type { Emulator, EmulatorMasterKey, EmulatorOptions, LocalServer } from '../emulator.ts'
import { debianPackages, findProgram } from './debian.ts'
import { freePort, type ServerProcess, scratchFolder, startServer } from './process.ts'

const SERVER = 'Redis (Debian)'
const HOST = '127.0.0.1'
/** The master key that `env` names. */
export const FIRST_REDIS_KEY = 'first'

/** A running Redis, and what tests do to it that an application never does. */
export interface RedisServer extends Emulator {
  readonly port: number
  readonly password: string
  /** Ends it with SIGKILL: nothing is flushed, connections break. */
  crash(): Promise<void>
  /** Starts it again on the same port and files. */
  restart(): Promise<void>
  /** Suspends the process: connections are accepted by the kernel and never answered. */
  suspend(): void
  resume(): void
}

export interface RedisServerOptions extends EmulatorOptions {
  /** More lines of redis.conf. */
  readonly settings?: readonly string[]
  /** @default a random one */
  readonly password?: string
}

const program = (): string | undefined => findProgram('redis-server')

/** Installed from Debian's package where we are root; keeps its data in a folder that goes when it is stopped. */
export const redis: LocalServer = {
  name: 'redis',
  kind: 'native',
  server: SERVER,
  install: () => debianPackages(['redis-server'], program),
  start: async (options) => {
    const server = await startRedis(options)
    try {
      await makeRedisMasterKey(server.env, FIRST_REDIS_KEY)
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  },
}

/** Starts it without a master key. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const command = program()
  if (command === undefined) {
    throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', 'redis-server is not installed', {
      hint: 'apt-get install --no-install-recommends redis-server',
    })
  }
  const version = await versionOf(command)
  const folder = await scratchFolder('redis')
  const port = await freePort(HOST)
  const password = options.password ?? randomBytes(18).toString('base64url')
  const config = join(folder.path, 'redis.conf')
  const settings = [...baseSettings(folder.path, port, password), ...(options.settings ?? [])]
  await writeFile(config, `${settings.join('\n')}\n`, { mode: 0o600 })
  const start = (): Promise<ServerProcess> =>
    startServer({
      title: SERVER,
      command,
      args: [config],
      cwd: folder.path,
      ready: () => answersPing(port),
      timeoutMs: options.startTimeoutMs,
    })
  let server: ServerProcess
  try {
    server = await start()
  } catch (error) {
    await folder.remove()
    throw error
  }
  const env = redisEnvironment(port, password)
  const stop = async (): Promise<void> => {
    await server.stop()
    await folder.remove()
  }
  return {
    name: 'redis',
    kind: 'native',
    server: version,
    endpoint: `redis://${HOST}:${port}`,
    port,
    password,
    env,
    createMasterKey: (name = `key-${randomBytes(6).toString('hex')}`) => makeRedisMasterKey(env, name),
    async crash() {
      server.kill('SIGKILL')
      await server.stop()
    },
    async restart() {
      await server.stop()
      server = await start()
    },
    suspend: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function versionOf(command: string): Promise<string> {
  const { stdout } = await promisify(execFile)(command, ['--version'])
  return `Redis ${/v=(\S+)/.exec(stdout)?.[1] ?? 'of unknown version'}`
}

function baseSettings(folder: string, port: number, password: string): string[] {
  return [
    `bind ${HOST}`,
    `port ${port}`,
    `dir ${folder}`,
    `requirepass ${password}`,
    `masterauth ${password}`,
    'daemonize no',
    'save ""',
    'appendonly yes',
    'maxmemory-policy noeviction',
  ]
}

/** The variables for a server on this machine, with a root secret of their own. */
export function redisEnvironment(
  port: number,
  password: string,
  host = HOST,
): Readonly<Record<string, string>> {
  const url = `redis://:${password}@${host}:${port}/0`
  return {
    ENCRYPTION_KEY_STORAGE_BACKEND: 'redis',
    ENCRYPTION_REDIS_URL: url,
    ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64'),
    ENCRYPTION_KEY_ID: FIRST_REDIS_KEY,
    ENCRYPTION_KEY_STORE_URL: url,
  }
}

/** Redis holds no master keys of its own: the provider makes one. */
export async function makeRedisMasterKey(
  env: Readonly<Record<string, string>>,
  keyId: string,
): Promise<EmulatorMasterKey> {
  const { BACKENDS } = await import('../../compose.ts')
  const backend = await BACKENDS['redis']?.load?.()
  const provider = await backend?.configure({
    name: 'redis',
    options: { url: env['ENCRYPTION_REDIS_URL'], keyId },
    production: false,
    create: true,
    rootSecret: { kind: 'key', text: env['ENCRYPTION_MASTER_KEY'] ?? '' },
  })
  try {
    await provider?.describeMasterKey()
  } finally {
    await provider?.close?.()
  }
  return { keyId, env: { ...env, ENCRYPTION_KEY_ID: keyId } }
}

/** Answers at all, be it that a password is needed; but not that it still loads its data. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, HOST, () => socket.write('PING\r\n'))
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once('data', (reply) => {
      socket.destroy()
      resolve(!reply.toString().startsWith('-LOADING'))
    })
  })
}
