/** The examples as a user has them: beside the built package, importing it by its name. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, shellEnvironment, tool } from '../package/pack.ts'

/** Two programs at a time, as many as the smallest machine of CI has cores. */
const AT_ONCE = 2
const KILLED_AFTER_MS = 30_000

/** How a program ended, and what it left in its folder. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly left: readonly string[]
}

export class Project {
  readonly folder: string
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(folder: string) {
    this.folder = folder
  }

  /** Runs `node examples/<name>.ts` with a folder of its own as its argument and its temporary folder. */
  async run(name: string, variables: NodeJS.ProcessEnv = {}): Promise<Ended> {
    if (this.#running >= AT_ONCE) await new Promise<void>((go) => this.#waiting.push(go))
    this.#running++
    try {
      const scratch = await mkdtemp(join(this.folder, 'scratch-'))
      const ended = await this.#node([join('examples', `${name}.ts`), scratch], {
        ...variables,
        TMPDIR: scratch,
      })
      return { ...ended, left: await readdir(scratch) }
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  /** What the compiler says of all examples, against the types that are shipped. */
  async check(): Promise<string> {
    return (await tool('tsc', ['-p', 'tsconfig.json'], this.folder)).stdout
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }

  #node(args: readonly string[], variables: NodeJS.ProcessEnv): Promise<Omit<Ended, 'left'>> {
    const { HOME, PATH } = shellEnvironment()
    const options = { cwd: this.folder, env: { HOME, PATH, ...variables }, timeout: KILLED_AFTER_MS }
    return new Promise((done) => {
      const child = execFile(process.execPath, args, options, (_, stdout, stderr) => {
        done({ code: child.exitCode, stdout, stderr })
      })
    })
  }
}

/** Builds the package into a folder, with the examples and what they import of others beside it. */
export async function buildProject(): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'keywright-examples-'))
  const project = new Project(folder)
  try {
    await mkdir(join(folder, 'examples'))
    await cp(join(ROOT, 'examples'), join(folder, 'examples'), { recursive: true })
    await cp(join(ROOT, 'package.json'), join(folder, 'package.json'))
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings()))
    // Whether the sources are right is for `npm run check` to say.
    const flags = ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist'), '--noCheck']
    const { code, stdout } = await tool('tsc', flags, ROOT)
    if (code !== 0) throw new Error(`the package was not built:\n${stdout}`)
    return project
  } catch (error) {
    await project.remove()
    throw error
  }
}

/** The settings of a strict project. */
function settings(): object {
  return {
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      noUnusedLocals: true,
      erasableSyntaxOnly: true,
      skipLibCheck: true,
      noEmit: true,
    },
    include: ['examples/*.ts'],
  }
}
