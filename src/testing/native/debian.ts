/** Programs from Debian's packages: found on this machine, or installed where we are root. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { withFileLock } from '../../files/atomic.ts'
import type { Missing } from '../emulator.ts'

const run = promisify(execFile)
const INSTALL_MS = 300_000
const USUAL_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin']

/** Where a program is: on PATH or in one of `folders`. */
export function findProgram(program: string, folders: readonly string[] = []): string | undefined {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return [...folders, ...path, ...USUAL_FOLDERS]
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file))
}

/**
 * Makes sure that `find` finds something, by installing `packages` where we are root and apt-get is there. The
 * services that the packages would start are kept from starting.
 */
export async function debianPackages(
  packages: readonly string[],
  find: () => string | undefined,
): Promise<Missing | undefined> {
  if (find() !== undefined) return undefined
  const remedy = `apt-get install --no-install-recommends ${packages.join(' ')}`
  const isRoot = process.getuid?.() === 0
  if (!isRoot || findProgram('apt-get') === undefined) {
    const why = isRoot ? 'there is no apt-get to install it' : 'only root can install it'
    return { reason: `${packages.join(', ')} is not installed, and ${why}`, remedy }
  }
  const cache = join(homedir(), '.cache', 'keywright')
  await mkdir(cache, { recursive: true })
  return withFileLock(join(cache, 'apt'), () => install(packages, find, remedy), { timeoutMs: INSTALL_MS })
}

async function install(
  packages: readonly string[],
  find: () => string | undefined,
  remedy: string,
): Promise<Missing | undefined> {
  if (find() !== undefined) return undefined
  // RUNLEVEL=1 makes invoke-rc.d leave the packages' services alone.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const apt = (...args: string[]): Promise<unknown> => run('apt-get', args, { env, timeout: INSTALL_MS })
  const get = (): Promise<unknown> => apt('install', '-y', '-q', '--no-install-recommends', ...packages)
  try {
    await get().catch(async () => {
      await apt('update', '-q') // the lists are old or were never there
      await get()
    })
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    return { reason: `apt-get failed: ${stderr.trim().split('\n').at(-1) ?? ''}`, remedy }
  }
  return find() === undefined ? { reason: `${packages.join(', ')} has no such program`, remedy } : undefined
}
