/** The program as a process: pipes, signals, exit codes, what it loads. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Workplace } from './cli-kit.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const HOOK = new URL('../package/loaded-files.mjs', import.meta.url).href

let place: Workplace
const children = new Set<ChildProcess>()

beforeEach(async () => {
  place = new Workplace()
  await place.init()
})

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  place.leave()
})

function start(argv: readonly string[], nodeOptions: readonly string[] = []): ChildProcess {
  const child = spawn(process.execPath, [...nodeOptions, MAIN, ...argv], {
    cwd: place.folder,
    env: { PATH: process.env['PATH'], ENCRYPTION_MASTER_KEY: place.rootKey },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  children.add(child)
  child.stdin?.on('error', () => undefined) // the program may end before it has read everything
  return child
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('close', (code) => {
      children.delete(child)
      resolve({ code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() })
    })
  })
}

async function keywright(argv: readonly string[], stdin = ''): Promise<Ended> {
  const child = start(argv)
  const result = ended(child)
  child.stdin?.end(stdin)
  return result
}

describe('the program', () => {
  it('takes a value through a pipe and gives it back', async () => {
    const encrypted = await keywright(['encrypt', '--key-type', 'pii'], 'ada@example.com\n')
    expect(encrypted).toMatchObject({ code: 0, err: '' })
    expect(await keywright(['decrypt', '--key-type', 'pii'], encrypted.out)).toEqual({
      code: 0,
      out: 'ada@example.com\n',
      err: '',
    })
  })

  it.each<[readonly string[], number]>([
    [['--version'], 0],
    [['decrypt', 'plain'], 1],
    [['frobnicate'], 2],
  ])('%j exits with %i', async (argv, code) => {
    expect((await keywright(argv)).code).toBe(code)
  })

  it('ends although nobody closes its standard input', async () => {
    const child = start(['keys', 'list'])
    expect(await ended(child)).toMatchObject({ code: 0 })
  })

  it('loads neither schema, CSV, prompts, backends nor stores for --help and --version', async () => {
    for (const argv of [['--help'], ['--version'], ['keys', 'rotate', '--help'], ['frobnicate']]) {
      const child = start(argv, ['--import', HOOK])
      child.stdin?.end()
      const { out } = await ended(child)
      const loaded = out.slice(out.indexOf('["')).match(/[^"]+\.(?:ts|js|mjs)(?=")/g) ?? []
      expect(loaded.some((file) => file.endsWith('/src/cli/run.ts'))).toBe(true)
      const heavy =
        /node_modules\/(?!commander)|\/(providers|stores)\/|\/cli\/commands\/|\/src\/(keys|data|keywright|compose)/
      expect(loaded.filter((file) => heavy.test(file))).toEqual([])
    }
  })
})

describe('a reader that goes away', () => {
  it('is no failure', async () => {
    const rows = Array.from({ length: 20_000 }, (_, at) => `person${at}@example.com\n`).join('')
    const child = start(['records', 'encrypt', '--format', 'csv'])
    const result = ended(child)
    child.stdout?.once('data', () => child.stdout?.destroy()) // as `| head -1` does
    child.stdin?.end(`email\n${rows}`)
    expect(await result).toMatchObject({ code: 0, err: '' })
  })
})

describe('an output that cannot be written', () => {
  it('is told, and is no fault of the program', async (context) => {
    if (!existsSync('/dev/full')) context.skip('this system has no full device')
    const child = spawn('/bin/sh', ['-c', '"$0" "$1" stats > /dev/full', process.execPath, MAIN], {
      cwd: place.folder,
      env: { ENCRYPTION_MASTER_KEY: place.rootKey },
    })
    children.add(child)
    const { code, err } = await ended(child)
    expect(code).toBe(1)
    expect(err).toMatch(/^keywright: cannot write the output \(ENOSPC\).*\nhint: .*space/)
  })
})

describe('Ctrl-C', () => {
  it('leaves no output file and exits with 130', async () => {
    const child = start(['records', 'encrypt', '--format', 'csv', '--out', 'out.csv'])
    const result = ended(child)
    child.stdin?.write(`email\n${'person@example.com\n'.repeat(5000)}`)
    await appears(() => readdirSync(place.folder).some((name) => name.endsWith('.tmp')))
    child.kill('SIGINT')
    expect(await result).toMatchObject({ code: 130, out: '', err: 'keywright: stopped\n' })
    expect(readdirSync(place.folder).filter((name) => name.includes('out.csv'))).toEqual([])
  })

  it('leaves an existing file as it is, by SIGTERM too', async () => {
    writeFileSync('out.csv', 'precious')
    const child = start(['records', 'encrypt', '--format', 'csv', '--out', 'out.csv', '--force'])
    const result = ended(child)
    child.stdin?.write(`email\n${'person@example.com\n'.repeat(5000)}`)
    await appears(() => readdirSync(place.folder).some((name) => name.endsWith('.tmp')))
    child.kill('SIGTERM')
    expect((await result).code).toBe(143)
    expect(place.read('out.csv')).toBe('precious')
    expect(readdirSync(place.folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('ends a command that waits for its input', async () => {
    const child = start(['encrypt', '--key-type', 'pii'])
    const result = ended(child)
    await new Promise((resolve) => child.once('spawn', resolve))
    const stop = setInterval(() => child.kill('SIGINT'), 100) // before the program listens, the signal ends it at once
    const { code, out } = await result
    clearInterval(stop)
    expect([130, null]).toContain(code)
    expect(out).toBe('')
  })
})

/** Waits until `condition` holds; the test's own limit ends it otherwise. */
async function appears(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('bash', () => {
  it('completes commands and options with the script', async (context) => {
    const { out } = await keywright(['completion', 'bash'])
    writeFileSync('completion.bash', out)
    const program = `
      source completion.bash
      complete_() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _keywright; echo "\${COMPREPLY[*]}"; }
      complete_ keywright rec
      complete_ keywright --json keys ro
      complete_ keywright keys rotate --f`
    if (!existsSync('/bin/bash')) context.skip('there is no bash here')
    const bash = spawn('/bin/bash', ['-c', program], { cwd: place.folder })
    children.add(bash)
    expect(await ended(bash)).toMatchObject({ code: 0, out: 'records\nrotate\n--force\n', err: '' })
  })
})
