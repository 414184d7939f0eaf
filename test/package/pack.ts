/** Packs this package the way a release does, and installs the packed file in an empty project. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

export const ROOT = join(import.meta.dirname, '..', '..')
const BIN = join(ROOT, 'node_modules', '.bin')
/** The oldest TypeScript whose users we support; the newest is the one in our lock file. */
const OLD_TYPESCRIPT = '5.9.3'
const NOT_SOURCES = new Set(['node_modules', '.git', 'dist', 'coverage', '.quickstart', '.keywright'])
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/
const OF_THIS_RUN = /^(npm_|VITEST|TEST_SUMMARY_FILE$|NODE_OPTIONS$|NODE_ENV$|INIT_CWD$)/
/** How this machine reaches the registry. */
const NETWORK = /^npm_config_(registry|cache|userconfig|.*proxy|cafile|strict_ssl)$/

const exec = promisify(execFile)

export interface Manifest {
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
}

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The environment of a person's shell: nothing that npm or vitest set for these tests, and this Node first. */
export function shellEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => NETWORK.test(name) || !OF_THIS_RUN.test(name))
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  return { ...Object.fromEntries(kept), PATH: path }
}

/** Runs a program to its end, whatever its exit code. */
export async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  variables: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  try {
    const { stdout, stderr } = await exec(command, args, {
      cwd,
      env: { ...shellEnvironment(), ...variables },
      maxBuffer: 64 * 1024 * 1024,
    })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const failed = error as Partial<Ran> & { code?: unknown }
    if (typeof failed.code !== 'number') throw error
    return { code: failed.code, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' }
  }
}

/** Runs one of our tools (a name in node_modules/.bin). */
export const tool = (
  name: string,
  args: readonly string[],
  cwd: string,
  variables?: NodeJS.ProcessEnv,
): Promise<Ran> => run(process.execPath, [join(BIN, name), ...args], cwd, variables)

async function mustRun(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await run(command, args, cwd)
  if (code !== 0)
    throw new Error(`${command} ${args[0]} failed with exit code ${code}:\n${stdout}\n${stderr}`)
}

/** `npm pack` in a copy, so that its clean build does not pull dist away under other tests. */
async function pack(folder: string): Promise<string> {
  const copy = join(folder, 'copy')
  await cp(ROOT, copy, { recursive: true, filter: (path) => !NOT_SOURCES.has(basename(path)) })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'), 'dir')
  await mustRun('npm', ['pack', '--loglevel=error', '--pack-destination', folder], copy)
  const [tarball, ...others] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  if (tarball === undefined || others.length > 0) throw new Error('npm pack did not make one file')
  return join(folder, tarball)
}

async function ownVersion(name: string): Promise<string> {
  const manifest = await readFile(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(manifest) as Manifest).version
}

/** An empty project with the packed file, the old TypeScript and the types of Node: no optional package. */
async function install(folder: string, tarball: string): Promise<string> {
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({ name: 'app', private: true, type: 'module' }),
  )
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  const tools = [`typescript@${OLD_TYPESCRIPT}`, `@types/node@${await ownVersion('@types/node')}`]
  await mustRun('npm', ['install', ...flags, tarball, ...tools], project)
  return project
}

export interface Packed {
  readonly folder: string
  readonly tarball: string
  /** The empty project, or why the package could not be installed there. */
  readonly project: { readonly path: string } | { readonly unreachable: string }
  remove(): Promise<void>
}

/** Packs and installs. Outside CI a registry that cannot be reached is a reason to skip, and no error. */
export async function packAndInstall(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), 'keywright-package-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const tarball = await pack(folder)
    try {
      return { folder, tarball, project: { path: await install(folder, tarball) }, remove }
    } catch (error) {
      if (process.env['CI'] || !(error instanceof Error && UNREACHABLE.test(error.message))) throw error
      return { folder, tarball, project: { unreachable: 'the package registry cannot be reached' }, remove }
    }
  } catch (error) {
    await remove()
    throw error
  }
}
