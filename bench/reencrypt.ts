/**
 * How far is re-encryption from what one thread could do at best? The bound is 1 / (t_db + t_crypto): the same
 * read-modify-write with compare-and-set but no cryptography, and the bare decrypt and encrypt loop, measured in turns
 * with ours on the same rows, five times: medians, and the quartiles behind them. Rows: 1,000,000, or as KEYWRIGHT_BENCH_ROWS says; one of the databases alone
 * with KEYWRIGHT_BENCH_GROUND=sqlite.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import memoryProvider from '../providers/memory.ts'
import type { RowsPlace } from '../src/jobs/places.ts'
import type { ReencryptOptions } from '../src/jobs/values/reencrypt.ts'
import { Keywright } from '../src/keywright.ts'
import memoryStore from '../stores/memory.ts'
import { bareLoop } from './bare.ts'
import { BATCH, type Ground } from './reencrypt-ground.ts'

const ROWS = Number(process.env['KEYWRIGHT_BENCH_ROWS'] ?? 1_000_000)
const ROUNDS = 5
/** Values of the bare loop, which goes over them again and again: what the bench holds slows the collector for all. */
const BARE_VALUES = Math.min(ROWS, 100_000)
/** Times that memory is looked at. */
const LOOKS = 10
const AAD = Buffer.from('{"column":"email","keyring":"pii","row":"1000000","table":"people"}')
const GOALS = { inline: 0.85, workers: 1.5 }

type Contender = 'db' | 'crypto' | 'inline' | 'workers'

/** Microseconds a row: by the clock, and of the processors, which other programs do not change much. */
interface Cost {
  readonly wall: number
  readonly cpu: number
}

type Times = Record<Contender, Cost>

export async function run(): Promise<void> {
  const { sqliteGround } = await import('./reencrypt-sqlite.ts')
  const { postgresGround } = await import('./reencrypt-postgres.ts')
  const wanted = process.env['KEYWRIGHT_BENCH_GROUND']
  for (const open of [sqliteGround, postgresGround]) {
    if (wanted !== undefined && open.name !== `${wanted}Ground`) continue
    const ground = await open()
    try {
      await measure(ground)
    } finally {
      await ground.close()
    }
  }
}

async function measure(ground: Ground): Promise<void> {
  const place: RowsPlace = {
    kind: 'rows',
    name: 'people',
    columns: { email: { keyType: 'pii', row: 'id' } },
    open: async () => ground.source('people'),
  }
  const keywright = new Keywright({ provider: memoryProvider(), store: memoryStore(), places: [place] })
  await ground.fill(await oldValues(keywright, ROWS))
  const values = bareValues(BARE_VALUES)
  const times: Times[] = []
  for (let round = 0; round < ROUNDS; round++) times.push(await oneRound(ground, keywright, values, round))
  print(ground.name, times)
  console.log(`  ${await memoryInUse(ground, keywright)}`)
  if (ground.roundTripMs !== undefined) {
    const ms = await ground.roundTripMs()
    console.log(
      `  one round trip ${ms.toFixed(3)} ms; a page of ${BATCH} rows needs 4, ${((4 * ms * 1000) / BATCH).toFixed(2)} µs a row`,
    )
  }
  await keywright.close()
}

/** E-mails under a key that is not active any more. */
async function oldValues(keywright: Keywright, count: number): Promise<string[]> {
  const field = await keywright.field('people.email').ready()
  const values = Array.from({ length: count }, (_, at) =>
    field.encryptSync(emailOf(at + 1), { row: String(at + 1) }),
  )
  await keywright.keys.rotate('pii', { force: true, now: true })
  return values
}

const emailOf = (id: number): string => `person-${id}@example.com`

function bareValues(count: number): {
  readonly loop: ReturnType<typeof bareLoop>
  readonly values: string[]
} {
  const loop = bareLoop(AAD)
  return { loop, values: Array.from({ length: count }, (_, at) => loop.encrypt(emailOf(at + 1))) }
}

async function oneRound(
  ground: Ground,
  keywright: Keywright,
  { loop, values }: ReturnType<typeof bareValues>,
  round: number,
): Promise<Times> {
  const contenders: readonly (readonly [Contender, () => Promise<void>])[] = [
    ['db', () => ground.bare()],
    [
      'crypto',
      async () => {
        for (let at = 0; at < ROWS; at++) loop.encrypt(loop.decrypt(values[at % values.length] ?? ''))
      },
    ],
    ['inline', () => reencrypt(keywright, {})],
    ['workers', () => reencrypt(keywright, { workers: 2 })],
  ]
  const times: Partial<Times> = {}
  for (const at of contenders.keys()) {
    const [name, work] = contenders[(at + round) % contenders.length] as (typeof contenders)[number]
    await ground.reset()
    times[name] = await costOf(work, ROWS)
  }
  return times as Times
}

async function reencrypt(keywright: Keywright, options: ReencryptOptions): Promise<void> {
  const { outcome, places } = await keywright.jobs.reencrypt({ batch: BATCH, ...options })
  const done = places[0]?.counts.columns['email']?.done
  if (outcome !== 'finished' || done !== ROWS) throw new Error(`${done} of ${ROWS} rows`)
}

async function costOf(work: () => Promise<void>, rows: number): Promise<Cost> {
  const before = process.cpuUsage()
  const startedAt = performance.now()
  await work()
  const wall = ((performance.now() - startedAt) * 1000) / rows
  const { system, user } = process.cpuUsage(before)
  return { wall, cpu: (system + user) / rows }
}

/** Whether memory stays flat: what is in use after a collection, and resident memory, in a run that is not timed. */
async function memoryInUse(ground: Ground, keywright: Keywright): Promise<string> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used: number[] = []
  const resident: number[] = []
  await ground.reset()
  await reencrypt(keywright, {
    onProgress({ done }) {
      if (done < ((used.length + 1) * ROWS) / LOOKS) return
      collect()
      const { external, heapUsed, rss } = process.memoryUsage()
      used.push((heapUsed + external) / 2 ** 20)
      resident.push(rss / 2 ** 20)
    },
  })
  const told = (all: readonly number[]): string =>
    `${all[0]?.toFixed(1)} MiB, ${Math.max(...all).toFixed(1)} at most`
  return `memory after a tenth of the rows: in use ${told(used)}; resident ${told(resident)}`
}

function print(name: string, times: readonly Times[]): void {
  const share = (part: number, of: (one: Times) => number): number =>
    times.map(of).sort((a, b) => a - b)[Math.floor((times.length - 1) * part)] ?? Number.NaN
  const median = (of: (one: Times) => number): number => share(0.5, of)
  const quartiles = (of: (one: Times) => number): string =>
    `(${share(0.25, of).toFixed(2)}–${share(0.75, of).toFixed(2)})`
  const line = (title: string, of: (one: Times) => Cost, goal = ''): void => {
    const wall = median((one) => of(one).wall)
    const rate = Math.round(1e6 / wall).toLocaleString('en-US')
    const cpu = median((one) => of(one).cpu).toFixed(2)
    const us = `${wall.toFixed(2).padStart(7)} µs a row ${quartiles((one) => of(one).wall).padEnd(13)}`
    console.log(
      `  ${title.padEnd(36)} ${us}  ${rate.padStart(9)} rows/s  processors ${cpu.padStart(6)} µs${goal}`,
    )
  }
  const bound = ({ db, crypto }: Times): Cost => ({ wall: db.wall + crypto.wall, cpu: db.cpu + crypto.cpu })
  const told = (of: (one: Times) => Cost, goal: number): string => {
    const ratio = (member: keyof Cost) => (one: Times) => bound(one)[member] / of(one)[member]
    const wall = `${median(ratio('wall')).toFixed(2)} × the bound ${quartiles(ratio('wall'))}`
    return `   ${wall}, of the processors ${median(ratio('cpu')).toFixed(2)}   goal ≥ ${goal}`
  }
  const inline = ({ inline: one }: Times): Cost => one
  const workers = ({ workers: one }: Times): Cost => one
  console.log(`\nre-encrypt ${ROWS.toLocaleString('en-US')} rows of ${name}, one column of about 24 bytes`)
  line('read and write alone (t_db)', ({ db }) => db)
  line('decrypt and encrypt alone (t_crypto)', ({ crypto }) => crypto)
  line('the bound, t_db + t_crypto', bound)
  line('inline', inline, told(inline, GOALS.inline))
  line('with two workers', workers, told(workers, GOALS.workers))
}
