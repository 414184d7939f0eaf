/**
 * One of many processes that start: `node starter.ts <number> <environments as JSON>`. It opens one Keywright for each
 * environment; with every line it gets, the next of them encrypts its first value.
 */
import { createInterface } from 'node:readline'
import { KeywrightError, open } from '../../src/index.ts'

/** What a process came to in one environment. */
export interface Started {
  readonly text: string
  readonly sealed?: string
  readonly failure?: string
  readonly wraps: number
  readonly unwraps: number
  readonly retries: number
}

const number = JSON.parse(process.argv[2] ?? '0') as number
const environments = JSON.parse(process.argv[3] ?? '[]') as Record<string, string>[]
const all = []
for (const environment of environments) {
  const kw = await open({ environment, audit: false })
  await kw.check() // clients are loaded and connected: what follows is the race alone
  all.push(kw)
}
process.stdout.write('"ready"\n')
const text = `of process ${number}`
const queue = all.values()
for await (const _ of createInterface({ input: process.stdin })) {
  const { value: kw } = queue.next()
  if (kw === undefined) break
  const outcome = await kw.encrypt('pii', text).then(
    (sealed) => ({ sealed }),
    (error: unknown) => ({
      failure: error instanceof KeywrightError ? `${error.code}: ${error.message}` : String(error),
    }),
  )
  const { wraps = 0, unwraps = 0, retries = 0 } = kw.counters()['vault'] ?? {}
  const started: Started = { text, ...outcome, wraps, unwraps, retries }
  process.stdout.write(`${JSON.stringify(started)}\n`)
  await kw.close()
}
