/**
 * Virtual environments of Python with pinned packages, made once and kept in ~/.cache/keywright, so that tests need
 * nothing set up by hand.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { KeywrightError } from '../../errors.ts'
import { withFileLock } from '../../files/atomic.ts'
import type { Missing } from '../emulator.ts'

const run = promisify(execFile)

const PROBE_MS = 20_000
const INSTALL_MS = 300_000

export interface PythonRequirements {
  /** Name of the environment: 'openbao-2.7.2'. */
  readonly name: string
  /** Path of a requirements file with hashes. */
  readonly file: string
  /** Minor versions of Python 3 that will do, best first. */
  readonly minors: readonly number[]
}

/** The environment's folder (`bin/python` and the packages' programs are in it), or why there is none. */
export type PythonEnvironment = { readonly folder: string } | { readonly missing: Missing }

interface Interpreter {
  readonly path: string
  /** '311' for Python 3.11. */
  readonly tag: string
}

/** Finds a Python, makes the environment if it is not there yet, and tells where it is. */
export async function pythonEnvironment(wanted: PythonRequirements): Promise<PythonEnvironment> {
  const requirements = await readFile(wanted.file, 'utf8')
  const interpreter = await findInterpreter(wanted.minors)
  if (interpreter === undefined) {
    const versions = wanted.minors.map((minor) => `3.${minor}`).join(', ')
    return {
      missing: {
        reason: `no Python ${versions} with venv was found`,
        remedy: `install Python 3.${wanted.minors[0]} (on Debian also python3-venv, or use pyenv)`,
      },
    }
  }
  const cache = join(homedir(), '.cache', 'keywright')
  await mkdir(cache, { recursive: true })
  const folder = join(cache, `${wanted.name}-py${interpreter.tag}`)
  const digest = createHash('sha256').update(requirements).digest('hex')
  // Two test files, or two clones, may start together.
  return withFileLock(folder, () => makeEnvironment(folder, interpreter, digest, wanted.file), {
    timeoutMs: INSTALL_MS,
  })
}

/** What is missing for the environment, if anything: the `install` of a server that comes from PyPI. */
export async function installPython(wanted: PythonRequirements): Promise<Missing | undefined> {
  const made = await pythonEnvironment(wanted)
  return 'missing' in made ? made.missing : undefined
}

/** The environment's folder. Throws ERR_EMULATOR_UNAVAILABLE with what to do when there is none. */
export async function pythonFolder(server: string, wanted: PythonRequirements): Promise<string> {
  const made = await pythonEnvironment(wanted)
  if ('folder' in made) return made.folder
  const { reason, remedy } = made.missing
  throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `${server}: ${reason}`, { hint: remedy })
}

/** A virtual environment cannot be renamed into place, so a marker written last says that it is whole. */
async function makeEnvironment(
  folder: string,
  { path }: Interpreter,
  digest: string,
  file: string,
): Promise<PythonEnvironment> {
  const python = join(folder, 'bin', 'python')
  const marker = join(folder, '.complete')
  const made = await readFile(marker, 'utf8').catch(() => undefined)
  if (made === digest && existsSync(python)) return { folder }
  await rm(folder, { recursive: true, force: true })
  try {
    await run(path, ['-m', 'venv', folder], { timeout: INSTALL_MS })
    const flags = ['--quiet', '--no-input', '--disable-pip-version-check', '--only-binary', ':all:']
    await run(python, ['-m', 'pip', 'install', ...flags, '--require-hashes', '-r', file], {
      timeout: INSTALL_MS,
    })
  } catch (error) {
    const reason = `its Python packages could not be installed: ${lastLine(error)}`
    return { missing: { reason, remedy: `${path} -m pip install --require-hashes -r ${file}` } }
  }
  await writeFile(marker, digest)
  return { folder }
}

function lastLine(error: unknown): string {
  const { stderr = '', message = '' } = error as { stderr?: string; message?: string }
  const lines = (stderr.trim() || message.trim()).split('\n')
  return (lines.at(-1) ?? '').slice(0, 300)
}

async function findInterpreter(minors: readonly number[]): Promise<Interpreter | undefined> {
  for (const path of await candidates(minors)) {
    const tag = await probe(path, minors)
    if (tag !== undefined) return { path, tag }
  }
  return undefined
}

/**
 * In order of preference. Those of pyenv come last: its shims on PATH fail for versions it has but does not
 * use.
 */
async function candidates(minors: readonly number[]): Promise<string[]> {
  const names = [...minors.map((minor) => `python3.${minor}`), 'python3']
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const onPath = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const pyenv = join(homedir(), '.pyenv', 'versions')
  const versions = (await readdir(pyenv).catch(() => [])).sort().reverse()
  const ofPyenv = versions.flatMap((version) =>
    minors.map((minor) => join(pyenv, version, 'bin', `python3.${minor}`)),
  )
  return [...onPath, ...ofPyenv].filter((path) => existsSync(path))
}

/** The tag of a CPython that we can use; Debian's has no ensurepip unless python3-venv is installed. */
async function probe(path: string, minors: readonly number[]): Promise<string | undefined> {
  const script =
    'import sys, venv, ensurepip; print(sys.implementation.name, sys.version_info[0], sys.version_info[1])'
  try {
    const { stdout } = await run(path, ['-c', script], { timeout: PROBE_MS })
    const [name, major, minor] = stdout.trim().split(' ')
    return name === 'cpython' && major === '3' && minors.includes(Number(minor)) ? `3${minor}` : undefined
  } catch {
    return undefined
  }
}
