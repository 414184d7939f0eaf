/** How much memory does a file take? A fresh process each; 10 GiB, sparse where it is read, need their space in TMPDIR. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MIB = 2 ** 20
const SIZES = [2 ** 30, 10 * 2 ** 30]

export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
  try {
    console.log(
      '\nmost memory in use (RSS) while a file is encrypted   goal ≤ 100 MiB, 10 GiB within 10 MiB of 1 GiB',
    )
    for (const workers of [0, 2]) {
      const used = SIZES.map((bytes) => peak(folder, bytes, workers))
      const [small = 0, large = 0] = used.map((bytes) => bytes / MIB)
      const title = workers === 0 ? 'one thread' : `${workers} workers`
      console.log(`  ${title.padEnd(12)} 1 GiB: ${small.toFixed(0)} MiB, 10 GiB: ${large.toFixed(0)} MiB`)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function peak(folder: string, bytes: number, workers: number): number {
  const [input, output] = [join(folder, 'in'), join(folder, 'out')]
  writeFileSync(input, '')
  truncateSync(input, bytes)
  const built = (path: string): string => JSON.stringify(new URL(`../dist/${path}`, import.meta.url).href)
  const code = `
    const { createKeywright } = await import(${built('src/index.js')})
    const { default: provider } = await import(${built('providers/memory.js')})
    const { default: store } = await import(${built('stores/memory.js')})
    const kw = await createKeywright({ provider: provider(), store: store() })
    const [input, output] = ${JSON.stringify([input, output])}
    await kw.files.encryptFile(input, output, { keyType: 'pii', workers: ${workers} })
    await kw.close()
    console.log(process.resourceUsage().maxRSS * 1024)`
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  rmSync(output)
  return Number(told)
}
