import { existsSync, globSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { type Manifest, type Packed, packAndInstall, ROOT, run, tool } from './package/pack.ts'

const SLOW_MS = 240_000
const SHIPPED =
  /^(dist\/(src|providers|stores|sources|clients)\/.+\.(js|d\.ts)|(schema|docs|src\/testing\/requirements)\/.+|examples\/customers\.csv|[^/]+)$/
const TOP_LEVEL = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json']

const source = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest
let packed: Packed | undefined

/** The project with the installed package; skips the test when there was no way to install it. */
function projectOf(context: TestContext): string {
  if (packed === undefined) throw new Error('the package was not packed')
  if ('unreachable' in packed.project) return context.skip(packed.project.unreachable)
  return packed.project.path
}

const packageOf = (context: TestContext): string => join(projectOf(context), 'node_modules', 'keywright')

const filesOf = (context: TestContext): string[] =>
  globSync('**/*', { cwd: packageOf(context), withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(packageOf(context).length + 1))
    .sort()

/** What can be imported: `keywright`, `keywright/providers/file`, …; a JSON file is no module. */
const entries = Object.entries(source.exports)
  .filter(([, target]) => typeof target === 'object')
  .map(([path]) => `keywright${path.slice(1)}`)

const targets = Object.values(source.exports).flatMap((target) =>
  typeof target === 'string' ? [target] : Object.values(target),
)

beforeAll(async () => {
  packed = await packAndInstall()
}, SLOW_MS)

afterAll(() => packed?.remove())

describe('the packed file', () => {
  it('holds what is meant to be shipped and nothing else', (context) => {
    const files = filesOf(context)
    expect(files.filter((path) => !SHIPPED.test(path))).toEqual([])
    expect(files.filter((path) => !path.includes('/'))).toEqual(TOP_LEVEL)
    expect(files).toContain('dist/src/index.js')
  })

  it('holds every file that the manifest names', (context) => {
    const named = [...targets, ...Object.values(source.bin)]
    expect(named.length).toBeGreaterThan(2)
    expect(named.filter((path) => !existsSync(join(packageOf(context), path)))).toEqual([])
  })

  it.for([
    ['publint', ['run', '--strict']],
    ['attw', ['--profile', 'esm-only', '--no-color', '--format', 'ascii']],
  ] as const)('is in order for %s', { timeout: SLOW_MS }, async ([name, args]) => {
    const { code, stdout, stderr } = await tool(name, [...args, String(packed?.tarball)], ROOT)
    expect(code, `${stdout}\n${stderr}`).toBe(0)
  })
})

describe('a project that installs it', () => {
  const program = [
    ...entries.map((entry, index) => `import * as entry${index} from '${entry}'`),
    `export const count: number = [${entries.map((_, index) => `entry${index}`).join(', ')}]`,
    '  .map((entry: object) => Object.keys(entry).length)',
    '  .reduce((sum, names) => sum + names, 0)',
  ].join('\n')
  const config = {
    compilerOptions: {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      types: ['node'],
      noEmit: true,
    },
    files: ['program.ts'],
  }

  it.for([
    ['the oldest TypeScript we support', '5.9', (project: string) => project],
    ['the newest', '7.', () => ROOT],
  ] as const)('compiles with %s, our declarations included', { timeout: SLOW_MS }, async (row, context) => {
    const [, version, home] = row
    const project = projectOf(context)
    await writeFile(join(project, 'program.ts'), `${program}\n`)
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(home(project), 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = await run(process.execPath, [tsc, '--version'], project)
    expect(stdout).toContain(`Version ${version}`)
    expect(await run(process.execPath, [tsc], project)).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('imports every entry without any optional package', async (context) => {
    const project = projectOf(context)
    await writeFile(
      join(project, 'every.mjs'),
      `${program.replaceAll(/: (number|object)/g, '')}\nconsole.log(count)\n`,
    )
    const { code, stdout, stderr } = await run(process.execPath, ['--no-warnings', 'every.mjs'], project)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(Number(stdout)).toBeGreaterThanOrEqual(entries.length)
  })

  it('loads no other package and no backend with the library', async (context) => {
    const hook = pathToFileURL(join(import.meta.dirname, 'package', 'loaded-files.mjs')).href
    const args = ['--import', hook, '--input-type=module', '--eval', "await import('keywright')"]
    const { code, stdout, stderr } = await run(process.execPath, args, projectOf(context))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const files = (JSON.parse(stdout) as string[]).filter((url) => url.startsWith('file:'))
    const ours = files.filter((url) => url.includes('/node_modules/keywright/dist/'))
    expect(ours.length).toBeGreaterThan(0)
    expect(files.filter((url) => !ours.includes(url))).toEqual([])
    expect(ours.filter((url) => /dist\/(providers|stores)\/(?!index\.js)/.test(url))).toEqual([])
  })

  it.for([
    ['--version', source.version],
    ['--help', 'Usage: keywright'],
  ] as const)('has the command line: keywright %s', async ([option, text], context) => {
    const project = projectOf(context)
    const command = join(project, 'node_modules', '.bin', 'keywright')
    const { code, stdout, stderr } = await run(command, [option], project)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(text)
  })
})
