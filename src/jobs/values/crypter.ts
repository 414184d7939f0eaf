/** Decrypting and encrypting anew: opens the keys, takes messages of the active key's budget, hands on batches. */
import { parseCiphertext, toText } from '../../crypto/ciphertext.ts'
import { type ErrorCode, KeywrightError } from '../../errors.ts'
import type { Keyring } from '../../keys/keyring.ts'
import { Leases } from '../../keys/leases.ts'
import type { OpenKey } from '../../keys/open-key.ts'
import { keyNotLoaded } from '../../keys/refusals.ts'
import type { KeyRecord, KeyStore } from '../../store.ts'
import { type Batch, type BatchKey, type BatchResult, reencryptBatch } from './batch.ts'
import type { BoundKeyring } from './binding.ts'
import { KeyOwners } from './key-owners.ts'
import { valueFailure } from './value-errors.ts'

/** What was learnt of a column. */
export interface ColumnMemory {
  /** The last value that opened was JSON of an undeclared type. */
  jsonFirst: boolean
}

/** Values of one column and keyring that are under other keys than the active one. */
export interface Work {
  readonly keyring: BoundKeyring
  readonly column: ColumnMemory
  readonly values: readonly (string | Uint8Array)[]
  /** The id of the key of each value. */
  readonly ids: readonly number[]
  /** The ids of their rows, for values that are bound to rows. */
  readonly rows: readonly string[] | undefined
}

/** What became of it. */
export type Done = Pick<BatchResult, 'values' | 'failures'>

/** Where batches are worked on. */
export interface BatchRunner {
  /** Pages at once that keep it busy. */
  readonly pagesAtOnce: number
  run(batch: Batch): BatchResult | Promise<BatchResult>
  close(): Promise<void>
}

const HERE: BatchRunner = { pagesAtOnce: 1, run: reencryptBatch, close: async () => undefined }

export class Crypter {
  readonly #store: KeyStore
  readonly #owners: KeyOwners
  readonly #runner: BatchRunner
  /** Messages under the active keys: batches do not go through the keyring. */
  readonly #leases = new Map<Keyring, Leases>()

  /** `runner` is closed with it. @default this thread */
  constructor(store: KeyStore, runner: BatchRunner = HERE) {
    this.#store = store
    this.#owners = new KeyOwners(store)
    this.#runner = runner
  }

  get pagesAtOnce(): number {
    return this.#runner.pagesAtOnce
  }

  /** Re-encrypts; what fails is reported value by value. Throws what concerns more than one value. */
  async run(work: Work): Promise<Done> {
    const { ring } = work.keyring
    // Every access is audited: there is a record to write for each value.
    if (ring.policy.auditAccess) return this.#audited(work)
    const { keys, refused } = await this.#keysOf(ring, work.ids)
    return refused.size === 0 ? this.#send(work, keys) : this.#without(refused, work, keys)
  }

  /** Gives back messages that were leased and not used. */
  async close(): Promise<void> {
    await this.#runner.close()
    await Promise.all([...this.#leases.values()].map((leases) => leases.releaseAll()))
  }

  /** Values under keys that do not open stay as they are. */
  async #without(
    refused: ReadonlyMap<number, ErrorCode>,
    work: Work,
    keys: readonly BatchKey[],
  ): Promise<Done> {
    const places = [...work.ids.keys()].filter((at) => !refused.has(work.ids[at] as number))
    const only = <T>(all: readonly T[]): T[] => places.map((at) => all[at] as T)
    const { ids, rows, values } = work
    const rest = {
      ...work,
      ids: only(ids),
      values: only(values),
      rows: rows === undefined ? undefined : only(rows),
    }
    const done: Done = places.length === 0 ? { values: [], failures: [] } : await this.#send(rest, keys)
    const made: BatchResult['values'][number][] = new Array(ids.length).fill(undefined)
    for (const [from, at] of places.entries()) made[at] = done.values[from]
    const failures = done.failures.map(([from, code]) => [places[from] as number, code] as const)
    for (const [at, id] of ids.entries()) {
      const code = refused.get(id)
      if (code !== undefined) failures.push([at, code])
    }
    return { values: made, failures }
  }

  async #send({ column, keyring, rows, values }: Work, keys: readonly BatchKey[]): Promise<BatchResult> {
    const { context, ring } = keyring
    if (!ring.readyToSeal()) await ring.prepare()
    const active = ring.activeKey()
    const record = ring.records.byId(active.id)
    if (record === undefined) throw keyNotLoaded(ring.name, active.id)
    const lease = await this.#lease(ring, record, values.length)
    active.usesLeft -= values.length
    const { jsonFirst } = column
    const batch = {
      active: batchKey(active, record),
      keys,
      context,
      jsonFirst,
      values,
      rows,
    }
    const running = this.#runner.run(batch)
    const result = running instanceof Promise ? await running : running
    lease.bytes += result.bytes
    column.jsonFirst = result.jsonFirst
    return result
  }

  /** Takes `count` messages of the key's budget. Throws ERR_KEY_EXHAUSTED. */
  async #lease(ring: Keyring, record: KeyRecord, count: number): Promise<{ bytes: number }> {
    const leases = this.#leases.get(ring) ?? new Leases(this.#store, ring.policy)
    this.#leases.set(ring, leases)
    await leases.ensure(record)
    const lease = leases.peek(record.id)
    if (lease === undefined) throw keyNotLoaded(ring.name, record.id)
    while (lease.left < count) await lease.refill()
    lease.left -= count
    return lease
  }

  /** The keys with these ids, opened; and why some are not. */
  async #keysOf(
    ring: Keyring,
    ids: readonly number[],
  ): Promise<{ readonly keys: BatchKey[]; readonly refused: ReadonlyMap<number, ErrorCode> }> {
    const counts = new Map<number, number>()
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
    const keys: BatchKey[] = []
    const refused = new Map<number, ErrorCode>()
    for (const [id, count] of counts) {
      try {
        await this.#owners.assertOwns(ring, id)
        const key = await openKey(ring, id)
        key.usesLeft -= count
        const record = ring.records.byId(id)
        if (record !== undefined) keys.push(batchKey(key, record))
      } catch (error) {
        refused.set(id, valueFailure(error))
      }
    }
    return { keys, refused }
  }

  /** Through the keyring, which writes the audit records. */
  async #audited({ column, ids, keyring, rows, values }: Work): Promise<Done> {
    const made: BatchResult['values'][number][] = []
    const failures: [number, ErrorCode][] = []
    for (const [at, value] of values.entries()) {
      const aad = (json: boolean): Buffer => (json ? keyring.jsonAad : keyring.aad)(rows?.[at])
      let plaintext: Buffer
      try {
        await this.#owners.assertOwns(keyring.ring, ids[at] as number)
        plaintext = await openEither(keyring.ring, parseCiphertext(value), column, aad)
      } catch (error) {
        failures.push([at, valueFailure(error)])
        made.push(undefined)
        continue
      }
      const sealed = await keyring.ring.seal(plaintext, aad(column.jsonFirst))
      plaintext.fill(0)
      made.push(typeof value === 'string' ? toText(sealed) : sealed)
    }
    return { values: made, failures }
  }
}

async function openEither(
  ring: Keyring,
  wire: Buffer,
  column: ColumnMemory,
  aad: (json: boolean) => Buffer,
): Promise<Buffer> {
  try {
    return await ring.open(wire, aad(column.jsonFirst))
  } catch (error) {
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_DECRYPTION_FAILED') throw error
    const plaintext = await ring.open(wire, aad(!column.jsonFirst))
    column.jsonFirst = !column.jsonFirst
    return plaintext
  }
}

async function openKey(ring: Keyring, id: number): Promise<OpenKey> {
  const find = (): OpenKey | undefined => ring.openKeys().find((key) => key.id === id && key.usesLeft > 0)
  const open = find()
  if (open !== undefined) return open
  await ring.prepareKey(id)
  const opened = find()
  if (opened === undefined) throw keyNotLoaded(ring.name, id)
  return opened
}

function batchKey({ id, key }: OpenKey, { algorithm }: KeyRecord): BatchKey {
  if (algorithm !== 'HMAC-SHA-256') return { id, key, suite: algorithm }
  throw new KeywrightError('ERR_INTERNAL', 'a key of search tokens among those of values')
}
