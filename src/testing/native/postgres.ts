/** PostgreSQL from Debian's package: a new cluster for each start, reachable from this machine only. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KeywrightError } from '../../errors.ts'
import type { Emulator, EmulatorOptions, LocalServer, Missing } from '../emulator.ts'
import { debianPackages, findProgram } from './debian.ts'
import { freePort, type ServerProcess, scratchFolder, startServer } from './process.ts'

const run = promisify(execFile)

const VERSIONS = '/usr/lib/postgresql'
const DATABASE = 'keywright'
/** The owner of the database: no superuser, as no application should be one. */
const ROLE = 'keywright'
const ADMIN = 'postgres'
/** `nobody`, where the package's own user is not there. */
const NOBODY = { uid: 65_534, gid: 65_534 }
const INITDB_MS = 60_000
/** The first version that sorts by ICU: its default order then differs from that of the bytes. */
const ICU_VERSION = 15

/** What a PostgreSQL of the kit can do beside what every server of the kit can. */
export interface PostgresServer extends Emulator {
  /** The same database as superuser. */
  readonly adminUrl: string
  /**
   * Ends the server with a signal (SIGINT: orderly, at once; SIGQUIT: as in a crash) and starts it again on the same
   * port and data.
   */
  restart(signal?: 'SIGINT' | 'SIGQUIT'): Promise<void>
  /** Sends the postmaster a signal: SIGSTOP and SIGCONT make it accept nobody and go on. */
  kill(signal: NodeJS.Signals): void
}

interface Cluster {
  readonly folder: string
  readonly port: number
  readonly programs: string
  readonly user: { readonly uid: number; readonly gid: number } | undefined
  readonly options: EmulatorOptions
}

/** The server as the emulator kit takes it. Durable as a real one: fsync is left on. */
export const postgres = {
  name: 'postgres',
  kind: 'native',
  server: 'PostgreSQL',
  install,
  start,
} as const satisfies LocalServer

function install(): Promise<Missing | undefined> {
  return debianPackages(['postgresql'], findPrograms)
}

/** The folder of the newest version's programs. */
function findPrograms(): string | undefined {
  let versions: string[] = []
  try {
    versions = readdirSync(VERSIONS)
  } catch {
    // not from Debian's package, or not there at all
  }
  const newest = versions.sort((a, b) => Number(b) - Number(a)).map((one) => join(VERSIONS, one, 'bin'))
  const found = findProgram('initdb', newest)
  return found === undefined ? undefined : join(found, '..')
}

async function start(options: EmulatorOptions = {}): Promise<PostgresServer> {
  const programs = findPrograms()
  if (programs === undefined) {
    throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', 'PostgreSQL is not installed', {
      hint: 'apt-get install --no-install-recommends postgresql',
    })
  }
  const scratch = await scratchFolder('postgres')
  const user = serverUser()
  const cluster = { folder: scratch.path, port: await freePort(), programs, user, options }
  const passwords = { admin: randomBytes(16).toString('hex'), role: randomBytes(16).toString('hex') }
  try {
    await makeCluster(cluster, passwords.admin)
    const child = await startCluster(cluster)
    try {
      const server = await makeDatabase(cluster, passwords)
      return handle(cluster, server, child, passwords, scratch.remove)
    } catch (error) {
      await child.stop()
      throw error
    }
  } catch (error) {
    await scratch.remove()
    throw error
  }
}

/** PostgreSQL refuses to run as root. */
function serverUser(): Cluster['user'] {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${ADMIN}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? NOBODY : { uid: Number(uid), gid: Number(gid) }
}

async function makeCluster({ folder, programs, user }: Cluster, password: string): Promise<void> {
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  await mkdir(data, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  await chmod(folder, 0o711)
  if (user !== undefined) {
    for (const path of [data, passwordFile]) await chown(path, user.uid, user.gid)
  }
  const version = await versionOf(programs)
  const order = version >= ICU_VERSION ? ['--locale-provider=icu', '--icu-locale=en-US'] : []
  const args = [
    ...['--pgdata', data, '--username', ADMIN, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
    ...['--encoding', 'UTF8', '--locale', 'C', ...order, '--no-sync'],
  ]
  await attempt('initdb', () =>
    run(join(programs, 'initdb'), args, { ...user, timeout: INITDB_MS, cwd: '/' }),
  )
}

async function versionOf(programs: string): Promise<number> {
  const { stdout } = await run(join(programs, 'initdb'), ['--version'])
  return Number(/(\d+)/.exec(stdout)?.[1] ?? 0)
}

function startCluster({ folder, port, programs, user, options }: Cluster): Promise<ServerProcess> {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    port: String(port),
    max_connections: '100',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return startServer({
    title: 'PostgreSQL',
    command: join(programs, 'postgres'),
    args: ['-D', join(folder, 'data'), ...flags],
    cwd: '/',
    ...(user === undefined ? {} : { user }),
    ready: async () => {
      await run(join(programs, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(port)])
      return true
    },
    timeoutMs: options.startTimeoutMs,
    stopSignal: 'SIGINT', // SIGTERM would wait for the clients to leave
  })
}

/** Makes role and database; resolves to the server's name with its version. */
async function makeDatabase(
  { port, programs }: Cluster,
  { admin, role }: { admin: string; role: string },
): Promise<string> {
  const psql = async (sql: string): Promise<string> => {
    const target = ['-h', '127.0.0.1', '-p', String(port), '-U', ADMIN, '-d', 'postgres']
    const options = { env: { PATH: process.env['PATH'], PGPASSWORD: admin }, timeout: INITDB_MS, cwd: '/' }
    const { stdout } = await attempt('psql', () =>
      run(
        join(programs, 'psql'),
        [...target, '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', sql],
        options,
      ),
    )
    return stdout.trim()
  }
  await psql(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${role}'`)
  await psql(`CREATE DATABASE ${DATABASE} OWNER ${ROLE}`)
  return `PostgreSQL ${(await psql('SHOW server_version')).split(' ')[0] ?? ''}`
}

function handle(
  cluster: Cluster,
  server: string,
  first: ServerProcess,
  passwords: { readonly admin: string; readonly role: string },
  remove: () => Promise<void>,
): PostgresServer {
  let child = first
  const urlOf = (name: string, password: string): string =>
    `postgres://${name}:${password}@127.0.0.1:${cluster.port}/${DATABASE}`
  const stop = async (): Promise<void> => {
    await child.stop()
    await remove()
  }
  return {
    name: 'postgres',
    kind: 'native',
    server,
    endpoint: `postgres://127.0.0.1:${cluster.port}/${DATABASE}`,
    env: { ENCRYPTION_KEY_STORE_URL: urlOf(ROLE, passwords.role) },
    adminUrl: urlOf(ADMIN, passwords.admin),
    createMasterKey: holdsNoMasterKeys,
    async restart(signal = 'SIGINT') {
      child.kill(signal)
      await child.stop()
      child = await startCluster(cluster)
    },
    kill: (signal) => child.kill(signal),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Throws: a database has no master key to make. */
export async function holdsNoMasterKeys(): Promise<never> {
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'PostgreSQL holds key records, not master keys', {
    hint: 'start an emulator of a backend: vault, aws-kms, azure-key-vault, gcp-kms or redis',
  })
}

/** What these programs print names no password. */
async function attempt<T>(program: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `${program} failed`, {
      hint: `its last words: ${stderr.trim().split('\n').at(-1) || 'none'}`,
    })
  }
}
