/**
 * What a re-encryption would do, from a sample of each place: the values are really decrypted and encrypted, so that
 * what fails is known before, and how long it takes is measured. Nothing is written.
 */
import { eachRecord } from '../../keys/services.ts'
import { keyTypePolicy } from '../../policy/keyring-name.ts'
import type { Source, SourcePage } from '../../source.ts'
import { keyTypeOf } from './binding.ts'
import { Checkpoints, checkpointName } from './checkpoint.ts'
import { type ColumnCounts, Tally } from './counts.ts'
import { Crypter } from './crypter.ts'
import type { ValueParts } from './reencrypt.ts'
import { ReencryptTask } from './reencrypt-task.ts'
import { type SelectedRows, selectColumns, type ValueSelection } from './selection.ts'

export interface PlanOptions extends ValueSelection {
  /** Rows of each place to look at. @default 2,000, from several parts of the place */
  readonly sample?: number
  readonly signal?: AbortSignal
}

/** One column of a place. */
export interface ColumnPlan {
  readonly column: string
  readonly keyType: string
  /** Values of the sample by what would become of them. */
  readonly sample: ColumnCounts
  /** Values of the whole column that are not under the active key, estimated; absent where the rows are not counted. */
  readonly toDo?: number
}

export interface PlacePlan {
  readonly place: string
  readonly location: string
  /** As the source counts or estimates them. */
  readonly rows?: number
  /** Rows that were looked at. */
  readonly sampled: number
  readonly columns: readonly ColumnPlan[]
  /** About how long it takes in one thread, in ms; absent where the rows are not counted. */
  readonly estimateMs?: number
  /** An earlier run has not come to its end: the next one goes on there. */
  readonly unfinished: boolean
}

export interface ReencryptPlan {
  readonly places: readonly PlacePlan[]
  /** Names of folders, whose files are re-encrypted one by one. */
  readonly folders: readonly string[]
  /** All places together, in ms; absent when one of them cannot tell. */
  readonly estimateMs?: number
  readonly warnings: readonly string[]
}

const SAMPLE = 2_000
const SAMPLE_PARTS = 8
/** Writing a page takes about so many times as long as reading it. */
const WRITE_COST = 2

/** Changes nothing. Throws what `reencrypt` throws before it writes. */
export async function planReencrypt(parts: ValueParts, options: PlanOptions = {}): Promise<ReencryptPlan> {
  const { policy, store } = parts.services
  const selected = selectColumns(policy, parts.places, options)
  const crypter = new Crypter(store)
  const places: PlacePlan[] = []
  const warnings: string[] = []
  try {
    for (const rows of selected.rows) {
      const source = await rows.place.open()
      try {
        places.push(await planPlace(parts, rows, source, crypter, options, warnings))
      } finally {
        await source.close?.()
      }
    }
  } finally {
    await crypter.close()
  }
  warnings.push(...(await keyWarnings(parts, selected.rows)), ...places.flatMap(sampleWarnings))
  const times = places.map(({ estimateMs }) => estimateMs)
  const isKnown = times.every((time) => time !== undefined)
  return {
    places,
    folders: selected.folders.map(({ name }) => name),
    ...(isKnown ? { estimateMs: times.reduce((sum, time) => sum + time, 0) } : {}),
    warnings,
  }
}

async function planPlace(
  { rings, services }: ValueParts,
  { place, columns }: SelectedRows,
  source: Source,
  crypter: Crypter,
  { keyrings, sample = SAMPLE, signal }: PlanOptions,
  warnings: string[],
): Promise<PlacePlan> {
  const description = await source.describe({ signal })
  warnings.push(...description.warnings.map((warning) => `"${place.name}": ${warning}`))
  const task = new ReencryptTask({ services, rings, place, columns, keyrings, crypter })
  const checkpoints = Checkpoints.of(source, services.store.documents)
  if (source.checkpoints === undefined && services.store.documents === undefined) {
    warnings.push(
      `"${place.name}": neither its source nor the key store keeps checkpoints: it cannot be resumed`,
    )
  }
  const tally = new Tally(columns)
  let readMs = 0
  let cryptoMs = 0
  for await (const { page, ms } of samplePages(source, task.reads, sample, signal)) {
    readMs += ms
    const startedAt = performance.now()
    for (const result of await task.transform(page.rows)) tally.add(result)
    cryptoMs += performance.now() - startedAt
  }
  const { counts } = tally
  const { rows } = description
  const scale = rows === undefined || counts.rows === 0 ? undefined : Math.max(1, rows / counts.rows)
  const share = counts.rows === 0 ? 0 : counts.written / counts.rows
  const sampleMs = readMs * (1 + WRITE_COST * share) + cryptoMs
  return {
    place: place.name,
    location: description.location,
    ...(rows === undefined ? {} : { rows }),
    sampled: counts.rows,
    columns: columns.map((column) => {
      const one = counts.columns[column] as ColumnCounts
      const toDo = scale === undefined ? {} : { toDo: Math.round(one.done * scale) }
      return { column, keyType: keyTypeOf(services.policy, place, column), sample: one, ...toDo }
    }),
    ...(rows === 0
      ? { estimateMs: 0 }
      : scale === undefined
        ? {}
        : { estimateMs: Math.round(sampleMs * scale) }),
    unfinished: (await checkpoints.read(checkpointName(task.kind, place.name))) !== undefined,
  }
}

/** Pages from several parts of the place: its oldest rows alone would say little of the others. */
async function* samplePages(
  source: Source,
  columns: readonly string[],
  sample: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly page: SourcePage; readonly ms: number }> {
  const cuts = (await source.split?.(SAMPLE_PARTS, { signal })) ?? []
  const limit = Math.max(1, Math.ceil(sample / (cuts.length + 1)))
  for (const [at, after] of [undefined, ...cuts].entries()) {
    const startedAt = performance.now()
    const page = await source.read({ columns, after, until: cuts[at], limit, signal })
    yield { page, ms: performance.now() - startedAt }
  }
}

function sampleWarnings({ place, columns }: PlacePlan): string[] {
  return columns.flatMap(({ column, sample: { plain, foreign, failed, failures } }) => [
    ...(plain + foreign > 0
      ? [`column "${column}" of "${place}" holds values that are no ciphertext: migrate them first`]
      : []),
    ...(failed > 0
      ? [
          `column "${column}" of "${place}" holds values that do not decrypt (${Object.keys(failures).join(', ')})`,
        ]
      : []),
  ])
}

/** Keys whose values cannot be re-encrypted as things are. */
async function keyWarnings({ services }: ValueParts, rows: readonly SelectedRows[]): Promise<string[]> {
  const { policy, store } = services
  const keyTypes = new Set(
    rows.flatMap(({ place, columns }) => columns.map((name) => keyTypeOf(policy, place, name))),
  )
  const warnings: string[] = []
  for (const keyType of keyTypes) {
    const { compromised } = keyTypePolicy(policy, keyType)
    for await (const { id, keyring, status } of eachRecord(store)) {
      if (keyring !== keyType && !keyring.startsWith(`${keyType}/`)) continue
      if (status === 'suspended')
        warnings.push(`key ${id} of ${keyring} is suspended: resume it, or its values stay`)
      if (status === 'compromised' && compromised === 'refuse')
        warnings.push(
          `key ${id} of ${keyring} was revoked and the policy refuses it: set "compromised" to "decrypt"`,
        )
    }
  }
  return warnings
}
