/**
 * Makes sure that node_modules holds what package-lock.json asks for, and runs `npm ci` when it does not.
 *
 * Plain JavaScript without dependencies: it is the first thing that runs in a fresh clone, under Node 20 or later.
 * Complete means: a stamp with the hash of the lock file, written last, and every package folder in its place. A
 * stopped or failed install leaves no stamp, so the next call starts it again.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { withInstallLock } from './install-lock.mjs'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
export const BIN = join(ROOT, 'node_modules', '.bin')
const BUNDLED_NODE = join(
  ROOT,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
)
const LOCK = join(ROOT, 'package-lock.json')
const STAMP = join(ROOT, 'node_modules', '.install-complete')
const SHOWN_LINES = 25
const STILL_WRITING = /\b(ENOTEMPTY|EBUSY)\b/
const OFFLINE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/

/** A failed step whose message is all that a person needs to see. */
class Failure extends Error {}

const say = (line) => process.stderr.write(`keywright: ${line}\n`)
const atLeast = (version, major, minor) => {
  const [ours = 0, oursMinor = 0] = version.split('.').map(Number)
  return ours > major || (ours === major && oursMinor >= minor)
}

/** What the stamp of a complete install holds: lock file and platform, because some packages hold machine code. */
function fingerprint() {
  const lock = createHash('sha256').update(readFileSync(LOCK)).digest('hex')
  return `${lock} ${process.platform}-${process.arch}\n`
}

/** The packages of the lock file that every machine needs; optional ones are for some platforms only. */
function missingPackages() {
  const { packages } = JSON.parse(readFileSync(LOCK, 'utf8'))
  return Object.entries(packages)
    .filter(([path, entry]) => path !== '' && !entry.optional && !entry.devOptional)
    .map(([path]) => path)
    .filter((path) => !existsSync(join(ROOT, path, 'package.json')))
}

function isComplete() {
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== fingerprint()) return false
  return missingPackages().length === 0 && pickNode() !== undefined
}

/** Records that the install is complete; `npm run prepare` calls it as the last step of every npm install. */
export function markComplete() {
  if (missingPackages().length === 0) writeFileSync(STAMP, fingerprint())
}

/**
 * The Node that runs our TypeScript: the one that started npm where it strips types by itself (22.18 or later), else
 * the one that the `node` package brought. `undefined` when there is neither.
 */
export function pickNode() {
  const npmNode = process.env['npm_node_execpath']
  const npmVersion = /node\/v(\S+)/.exec(process.env['npm_config_user_agent'] ?? '')?.[1]
  if (npmNode && npmVersion) {
    if (atLeast(npmVersion, 22, 18) && existsSync(npmNode)) return npmNode
  } else if (atLeast(process.versions.node, 22, 18)) return process.execPath
  return existsSync(BUNDLED_NODE) ? BUNDLED_NODE : undefined
}

/** The environment for programs started here: our Node first on the PATH, then the tools of node_modules. */
export function toolEnvironment(node) {
  return { ...process.env, PATH: [dirname(node), BIN, process.env['PATH'] ?? ''].join(delimiter) }
}

function npmCommand() {
  const cli = process.env['npm_execpath'] ?? ''
  const node = process.env['npm_node_execpath'] ?? process.execPath
  return cli.endsWith('npm-cli.js') && existsSync(cli) && existsSync(node) ? [node, cli] : ['npm']
}

/** Runs `npm ci` with its output kept back; resolves to the exit code and what it wrote. */
function npmCi() {
  const [command, ...prefix] = npmCommand()
  // NODE_ENV=production would leave out the tools; `loglevel` keeps errors visible under `npm --silent`.
  const flags = ['ci', '--include=dev', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  return new Promise((resolve, reject) => {
    // In a process group of its own, so that a signal also ends the install scripts that npm would wait for.
    const options = { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], detached: true }
    const child = spawn(command, [...prefix, ...flags], options)
    const output = []
    const stop = (signal) => {
      process.kill(-child.pid, signal)
      child.once('close', () => process.exit(128 + constants.signals[signal]))
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.once(signal, stop)
    child.stdout.on('data', (chunk) => output.push(chunk))
    child.stderr.on('data', (chunk) => output.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      for (const signal of signals) process.off(signal, stop)
      resolve({ code: code ?? 1, output: Buffer.concat(output).toString('utf8').trimEnd() })
    })
  })
}

/** The install scripts of an npm ci that was killed outright may still be writing. */
async function npmCiTwice() {
  const first = await npmCi()
  if (first.code === 0 || !STILL_WRITING.test(first.output)) return first
  await sleep(3_000)
  return npmCi()
}

/** The first and the last lines: npm says first what is wrong, a compiler last. */
function condensed(output) {
  const lines = output.split('\n')
  if (lines.length <= 2 * SHOWN_LINES) return output
  return [...lines.slice(0, SHOWN_LINES), '…', ...lines.slice(-SHOWN_LINES)].join('\n')
}

async function install() {
  if (isComplete()) return
  const reason = existsSync(join(ROOT, 'node_modules'))
    ? 'node_modules is not in step'
    : 'nothing is installed yet'
  rmSync(STAMP, { force: true })
  say(`${reason}; running npm ci (half a minute, once)`)
  const { code, output } = await npmCiTwice()
  if (code !== 0) process.stderr.write(`${condensed(output)}\n`)
  if (code !== 0 && OFFLINE.test(output)) {
    throw new Failure(
      'npm ci could not reach the package registry; connect to the network once and try again',
    )
  }
  if (code !== 0 && !isComplete())
    throw new Failure(`npm ci failed with exit code ${code}; its output is above`)
  if (code !== 0) say('the packages are installed, but the build failed; its output is above')
  markComplete()
  if (pickNode() === undefined) {
    throw new Failure(
      'the install script of the package "node" did not run; use Node 24, or: npm ci --ignore-scripts=false',
    )
  }
}

/** Installs what is missing; returns the Node to run our TypeScript with. Ends the process when it cannot. */
export async function ensure() {
  try {
    if (!atLeast(process.versions.node, 20, 0)) {
      throw new Failure(`Node ${process.versions.node} is too old; Node 20 or later is needed`)
    }
    if (!isComplete()) await withInstallLock(ROOT, install, say)
    return pickNode()
  } catch (error) {
    if (error?.code === 'ENOENT' && error.syscall?.startsWith('spawn'))
      say('npm is not on the PATH; install it')
    else if (error instanceof Failure) say(error.message)
    else throw error
    process.exit(1)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await ensure()
