/**
 * An application under traffic, as a process: it encrypts and decrypts all the time and tells its parent of every
 * operation that failed and every value that came back changed. `node traffic.ts <policy document> <store> <rotates>`.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { KeywrightError, open } from '../../src/index.ts'

/** A value as it was encrypted, given to the other process to read. */
export interface Sample {
  readonly keyType: string
  readonly plain: string
  readonly sealed: string
}

export type FromTraffic =
  | { readonly kind: 'ready' }
  | { readonly kind: 'sample'; readonly samples: readonly Sample[] }
  | { readonly kind: 'report'; readonly report: TrafficReport }

export type ToTraffic =
  | { readonly kind: 'sample'; readonly samples: readonly Sample[] }
  | { readonly kind: 'stop' }

export interface TrafficReport {
  readonly operations: number
  readonly rotations: number
  /** Provider calls, by provider: who was really asked. */
  readonly calls: Readonly<Record<string, number>>
  /** What failed, or came back changed. */
  readonly failures: readonly string[]
}

const KEY_TYPES = ['pii', 'financial_data', 'session']
const KEPT = 3000
const ROTATE_EVERY_MS = 1500
/** Messages are not for every operation. */
const TELL_EVERY = 250

const [config = '', storeUrl = '', rotates = 'no'] = process.argv.slice(2)
const kw = await open({ config, storeUrl, actor: `traffic ${process.pid}`, providerTimeoutMs: 5000 })
const kept: Sample[] = []
const failures: string[] = []
let operations = 0
let rotations = 0
let stopped = false
const tell = (message: FromTraffic): void => void process.send?.(message)

process.on('message', (message: ToTraffic) => {
  if (message.kind === 'stop') stopped = true
  else keep(...message.samples)
})

function keep(...samples: readonly Sample[]): void {
  kept.push(...samples)
  while (kept.length > KEPT) kept.splice(randomInt(kept.length), 1)
}

async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  operations++
  try {
    await work()
  } catch (error) {
    const code = error instanceof KeywrightError ? `${error.code}: ${error.message}` : String(error)
    failures.push(`${new Date().toISOString()} ${what}: ${code}`)
  }
}

const encrypt = (keyType: string): Promise<void> =>
  attempt(`encrypt ${keyType}`, async () => {
    const plain = randomUUID()
    keep({ keyType, plain, sealed: await kw.encrypt(keyType, plain, { context: { of: keyType } }) })
  })

const decrypt = ({ keyType, plain, sealed }: Sample): Promise<void> =>
  attempt(`decrypt ${keyType}`, async () => {
    const opened = await kw.decrypt(sealed, { keyType, context: { of: keyType } })
    if (opened !== plain) failures.push(`a value of ${keyType} came back changed`)
  })

async function rotateOne(): Promise<void> {
  await attempt('rotate', async () => {
    await kw.keys.rotate(KEY_TYPES[rotations % KEY_TYPES.length] ?? 'pii', { force: true })
    rotations++
  })
}

for (const keyType of KEY_TYPES) await encrypt(keyType)
if (failures.length > 0) throw new Error(failures.join('\n'))
tell({ kind: 'ready' })
let rotateAt = Date.now() + ROTATE_EVERY_MS / 3
while (!stopped) {
  await encrypt(KEY_TYPES[operations % KEY_TYPES.length] ?? 'pii')
  for (let count = 0; count < 3; count++) {
    const sample = kept[randomInt(kept.length)]
    if (sample !== undefined) await decrypt(sample)
  }
  if (rotates === 'yes' && Date.now() > rotateAt) {
    await rotateOne()
    rotateAt = Date.now() + ROTATE_EVERY_MS
  }
  if (operations % TELL_EVERY < 4) tell({ kind: 'sample', samples: kept.slice(-20) })
  await delay(1) // the machine has other things to do as well
}
for (const sample of kept) await decrypt(sample)
tell({ kind: 'sample', samples: kept })
const calls = Object.fromEntries(
  Object.entries(kw.counters()).map(([name, { wraps, unwraps }]) => [name, wraps + unwraps]),
)
await kw.close()
const report = { operations, rotations, calls, failures }
process.send?.({ kind: 'report', report } satisfies FromTraffic, () => process.disconnect())
