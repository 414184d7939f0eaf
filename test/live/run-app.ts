/** Runs app.ts as a process of its own, with an environment and nothing else. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const APP = fileURLToPath(new URL('./app.ts', import.meta.url))
const HOOK = new URL('../package/loaded-files.mjs', import.meta.url).href
/** Where the processes of tests keep what Node compiled of our files. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/keywright-compile', import.meta.url))

/** What the application says, and what was loaded for it. */
export interface AppRun {
  readonly back: unknown
  readonly keys: readonly string[]
  readonly sealed: Readonly<Record<string, unknown>>
  readonly token: string
  readonly milliseconds: Readonly<Record<string, number>>
  /** Names of all packages of which a file was loaded. */
  readonly packages: readonly string[]
}

export interface AppOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd: string
  /** What an earlier run has encrypted; then nothing is made. */
  readonly earlier?: AppRun
  /** For Node. */
  readonly flags?: readonly string[]
}

/** Rejects with what it printed when it fails. */
export async function runApp({ env = {}, cwd, earlier, flags = [] }: AppOptions): Promise<AppRun> {
  const given = earlier === undefined ? [] : [JSON.stringify(earlier.sealed)]
  const { stdout } = await exec(process.execPath, ['--import', HOOK, ...flags, APP, ...given], {
    cwd,
    env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    maxBuffer: 16 * 1024 * 1024,
  })
  const [said = '', loaded = ''] = stdout.split('\n')
  const urls = JSON.parse(loaded) as string[]
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  return { ...(JSON.parse(said) as Omit<AppRun, 'packages'>), packages: [...new Set(names)].sort() }
}
