/** What does starting cost? Importing the library, and opening a store with 10 or with 10,000 keyrings. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from '../src/index.ts'

const ROUNDS = 15

export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
  const masterKey = randomBytes(32).toString('base64')
  try {
    importing()
    const small = await prepare(join(folder, 'small'), 10, masterKey)
    const large = await prepare(join(folder, 'large'), 10_000, masterKey)
    const times: Record<'small' | 'large', number[]> = { small: [], large: [] }
    for (let round = 0; round < ROUNDS; round++) {
      times.small.push(await openAndEncrypt(small, masterKey))
      times.large.push(await openAndEncrypt(large, masterKey))
    }
    const [a, b] = [median(times.small), median(times.large)]
    console.log('\nopen a store and encrypt under one keyring')
    console.log(`  10 keyrings       ${a.toFixed(2)} ms`)
    console.log(`  10,000 keyrings   ${b.toFixed(2)} ms   ${(b - a).toFixed(2)} ms more   goal < 5 ms more`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The built package, in fresh processes: the import alone, and up to the first encryption. */
function importing(): void {
  const timed = (code: string): number => {
    const program = `const t = performance.now(); ${code}; console.log(performance.now() - t)`
    return Number(
      execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }),
    )
  }
  const built = (path: string): string => JSON.stringify(new URL(`../dist/${path}`, import.meta.url).href)
  const importIt = `const { createKeywright } = await import(${built('src/index.js')})`
  const useIt = `${importIt}
    const { default: provider } = await import(${built('providers/memory.js')})
    const { default: store } = await import(${built('stores/memory.js')})
    const kw = await createKeywright({ provider: provider(), store: store() })
    await kw.encrypt('pii', 'a value')`
  const times = Array.from({ length: ROUNDS }, () => [
    timed(importIt),
    timed(useIt),
    timed('await import("node:path")'),
  ])
  const [ours, used, nothing] = [0, 1, 2].map((column) => median(times.map((row) => row[column] ?? 0)))
  console.log('\nfrom nothing, in a fresh process')
  console.log(`  import of a built-in module   ${nothing?.toFixed(1)} ms`)
  console.log(`  import 'keywright'            ${ours?.toFixed(1)} ms   goal < 30 ms`)
  console.log(`  … and a first encryption      ${used?.toFixed(1)} ms`)
}

async function prepare(path: string, keyrings: number, masterKey: string): Promise<string> {
  const kw = await openAt(path, masterKey, true)
  for (let tenant = 0; tenant < keyrings; tenant++) await kw.keys.create('pii', { tenant: `t${tenant}` })
  await kw.close()
  return path
}

async function openAndEncrypt(path: string, masterKey: string): Promise<number> {
  const started = performance.now()
  const kw = await openAt(path, masterKey, false)
  await kw.encrypt('pii', 'a value', { tenant: 't5' })
  const ms = performance.now() - started
  await kw.close()
  return ms
}

const openAt = (path: string, masterKey: string, create: boolean) =>
  open({ backend: 'file', path: join(path, 'master.keys'), audit: false, masterKey, create, environment: {} })

const median = (values: readonly number[]): number =>
  [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? Number.NaN
