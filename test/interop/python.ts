/**
 * A Python with the packages of requirements.txt, in a virtual environment that is made once and kept in
 * ~/.cache/keywright, so that `npm test` needs nothing set up by hand.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { withFileLock } from '../../src/files/atomic.ts'

const run = promisify(execFile)

const REQUIREMENTS = fileURLToPath(new URL('./requirements.txt', import.meta.url))
const MINORS = [13, 12, 11, 10, 14]
const PROBE_MS = 20_000
const INSTALL_MS = 300_000

/** The environment's interpreter, or why there is none. */
export type PythonResult = { readonly python: string } | { readonly missing: string }

interface Interpreter {
  readonly path: string
  /** '311' for Python 3.11. */
  readonly tag: string
}

/** Finds a Python 3.10 to 3.14, makes the environment if it is not there yet and gives its interpreter. */
export async function pythonWithRequirements(): Promise<PythonResult> {
  const requirements = await readFile(REQUIREMENTS, 'utf8')
  const version = /^tink==(\S+)/m.exec(requirements)?.[1] ?? 'unknown'
  const interpreter = await findInterpreter()
  if (interpreter === undefined) return { missing: 'no Python 3.10 to 3.14 with venv was found' }
  const cache = join(homedir(), '.cache', 'keywright')
  await mkdir(cache, { recursive: true })
  const folder = join(cache, `tink-${version}-py${interpreter.tag}`)
  const digest = createHash('sha256').update(requirements).digest('hex')
  // Two test files, or two clones, may start together.
  return withFileLock(folder, () => makeEnvironment(folder, interpreter, digest), { timeoutMs: INSTALL_MS })
}

/** A virtual environment cannot be renamed into place, so a marker written last says that it is whole. */
async function makeEnvironment(folder: string, { path }: Interpreter, digest: string): Promise<PythonResult> {
  const python = join(folder, 'bin', 'python')
  const marker = join(folder, '.complete')
  const made = await readFile(marker, 'utf8').catch(() => undefined)
  if (made === digest && existsSync(python)) return { python }
  await rm(folder, { recursive: true, force: true })
  try {
    await run(path, ['-m', 'venv', folder], { timeout: INSTALL_MS })
    const flags = ['--quiet', '--no-input', '--disable-pip-version-check', '--only-binary', ':all:']
    await run(python, ['-m', 'pip', 'install', ...flags, '--require-hashes', '-r', REQUIREMENTS], {
      timeout: INSTALL_MS,
    })
  } catch (error) {
    return { missing: `its packages could not be installed: ${lastLine(error)}` }
  }
  await writeFile(marker, digest)
  return { python }
}

function lastLine(error: unknown): string {
  const { stderr = '', message = '' } = error as { stderr?: string; message?: string }
  const lines = (stderr.trim() || message.trim()).split('\n')
  return (lines.at(-1) ?? '').slice(0, 300)
}

async function findInterpreter(): Promise<Interpreter | undefined> {
  for (const path of await candidates()) {
    const tag = await probe(path)
    if (tag !== undefined) return { path, tag }
  }
  return undefined
}

/**
 * In order of preference. Those of pyenv come last: its shims on PATH fail for versions it has but does not
 * use.
 */
async function candidates(): Promise<string[]> {
  const names = [...MINORS.map((minor) => `python3.${minor}`), 'python3']
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const onPath = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const pyenv = join(homedir(), '.pyenv', 'versions')
  const versions = (await readdir(pyenv).catch(() => [])).sort().reverse()
  const ofPyenv = versions.flatMap((version) =>
    MINORS.map((minor) => join(pyenv, version, 'bin', `python3.${minor}`)),
  )
  return [...onPath, ...ofPyenv].filter((path) => existsSync(path))
}

/** The tag of a CPython that we can use; Debian's has no ensurepip unless python3-venv is installed. */
async function probe(path: string): Promise<string | undefined> {
  const script =
    'import sys, venv, ensurepip; print(sys.implementation.name, sys.version_info[0], sys.version_info[1])'
  try {
    const { stdout } = await run(path, ['-c', script], { timeout: PROBE_MS })
    const [name, major, minor] = stdout.trim().split(' ')
    return name === 'cpython' && major === '3' && MINORS.includes(Number(minor)) ? `3${minor}` : undefined
  } catch {
    return undefined
  }
}
