/**
 * Making keys: the first of a keyring and each next version. A key is wrapped, announced in the audit log and
 * inserted by compare-and-set; whoever loses adopts the winner's. Nobody uses a key that he has not read back from
 * the store and unwrapped, its maker included.
 */
import { randomBytes } from 'node:crypto'
import { wipe } from '../crypto/bytes.ts'
import { KeywrightError } from '../errors.ts'
import { rotationDue } from '../policy/evaluate.ts'
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import { announced } from './announce.ts'
import { DATA_KEY_BYTES, type KeyIdentity, newRecord, randomKeyId } from './record.ts'
import { type KeyServices, policyOf, recordsOf } from './services.ts'
import { type KeyringView, viewKeyring } from './states.ts'
import { wrapUnderAll } from './wrap-all.ts'

/** Ids are random: with 10^6 keys in a store one in 4000 is taken. So many in a row are a broken generator. */
const ID_ATTEMPTS = 8
const UPDATE_ATTEMPTS = 5

export interface RotateOptions {
  /** Activate the new key at once instead of one refresh period ahead. */
  readonly now?: boolean
  /** Rotate although it is not due. */
  readonly force?: boolean
  /** For the audit log. */
  readonly reason?: string
}

export interface RotationResult {
  readonly keyring: string
  /** False when nothing was due, or when another process had made the next key already. */
  readonly rotated: boolean
  /** The key that encrypts, or will from its `activatesAt` on. */
  readonly key: KeyRecord
  /** Why: 'age', 'messages', 'bytes', 'max-age', 'forced', 'created', 'replaced' … */
  readonly why: string
}

/** The view of a keyring that has at least one key: makes the first one where there is none. */
export async function ensureKeyring(services: KeyServices, keyring: string): Promise<KeyringView> {
  const records = await recordsOf(services.store, keyring)
  if (records.length > 0) return viewKeyring(records, services.clock.now())
  await insertNext(services, keyring, [], services.clock.now(), 'key.create', 'first key of the keyring')
  return viewKeyring(await recordsOf(services.store, keyring), services.clock.now())
}

/**
 * Makes the next version of a keyring when it is due (or forced). The new key is published one refresh period
 * before it encrypts, so that every process knows it by then.
 */
export async function rotateKeyring(
  services: KeyServices,
  keyring: string,
  options: RotateOptions = {},
): Promise<RotationResult> {
  for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
    const result = await rotateOnce(services, keyring, options)
    if (result !== undefined) return result
  }
  throw new KeywrightError(
    'ERR_STORE_CONFLICT',
    `keyring "${keyring}" is being changed by others all the time`,
    {
      hint: 'try again',
      details: { keyring },
    },
  )
}

/** Undefined when somebody changed the next key meanwhile: look again. */
async function rotateOnce(
  services: KeyServices,
  keyring: string,
  options: RotateOptions,
): Promise<RotationResult | undefined> {
  const policy = policyOf(services, keyring)
  const now = services.clock.now()
  const view = viewKeyring(await recordsOf(services.store, keyring), now)
  if (view.records.length === 0) return create(services, keyring)
  if (view.pending !== undefined) return usePending(services, view.pending, options, now)
  const why = reasonToRotate(services, view, options, now)
  if (why === undefined) return { keyring, rotated: false, key: view.current as KeyRecord, why: 'not due' }
  const at = options.now === true || !encrypts(view) ? now : now + policy.cache.refreshMs
  const inserted = await insertNext(services, keyring, view.records, at, 'key.rotate', options.reason ?? why)
  const after = viewKeyring(await recordsOf(services.store, keyring), services.clock.now())
  return { keyring, rotated: inserted, key: newest(after), why }
}

async function create(services: KeyServices, keyring: string): Promise<RotationResult> {
  const view = await ensureKeyring(services, keyring)
  return { keyring, rotated: true, key: newest(view), why: 'created' }
}

/** Why the current key is to be replaced; undefined when it is not. */
function reasonToRotate(
  services: KeyServices,
  view: KeyringView,
  options: RotateOptions,
  now: number,
): string | undefined {
  if (options.force === true) return 'forced'
  const current = view.current
  if (current === undefined) return 'created'
  const state = view.stateOf(current)
  if (state === 'compromised' || state === 'destroyed') return `current key is ${state}`
  const due = rotationDue(policyOf(services, current.keyring), { ...current, state }, now)
  return due.due ? due.reasons.join(', ') : undefined
}

const encrypts = (view: KeyringView): boolean =>
  view.current !== undefined && view.stateOf(view.current) === 'active'

const newest = (view: KeyringView): KeyRecord => (view.pending ?? view.current) as KeyRecord

/** The next key is there already; with `now` its date is brought forward. */
async function usePending(
  services: KeyServices,
  pending: KeyRecord,
  options: RotateOptions,
  now: number,
): Promise<RotationResult | undefined> {
  const { keyring } = pending
  if (options.now !== true) return { keyring, rotated: false, key: pending, why: 'prepared already' }
  const key = { ...pending, activatesAt: now, revision: pending.revision + 1 }
  const event = {
    event: 'key.rotate',
    keyring,
    keyId: pending.id,
    keyVersion: pending.version,
    reason: options.reason ?? 'activated ahead of its date',
  } as const
  const updated = await announced(services, event, () => services.store.update(key), Boolean)
  return updated ? { keyring, rotated: true, key, why: 'forced' } : undefined
}

/** Wraps a fresh key, announces it and inserts it. False when another process was first. */
async function insertNext(
  services: KeyServices,
  keyring: string,
  records: readonly KeyRecord[],
  activatesAt: number,
  event: 'key.create' | 'key.rotate',
  reason: string,
): Promise<boolean> {
  const policy = policyOf(services, keyring)
  const version = Math.max(0, ...records.map((record) => record.version)) + 1
  for (let attempt = 0; attempt < ID_ATTEMPTS; attempt++) {
    const identity: KeyIdentity = {
      id: randomKeyId(),
      keyring,
      version,
      algorithm: policy.algorithm,
      createdAt: services.clock.now(),
    }
    const record = await makeRecord(services, identity, policy, activatesAt)
    const about = { event, keyring, keyId: record.id, keyVersion: version, reason }
    const result = await announced(
      services,
      { ...about, details: { provider: record.wraps.map(({ provider }) => provider).join(', ') } },
      () => services.store.insert(record),
      (answer) => answer === 'inserted',
    )
    if (result === 'inserted') return true
    if (result === 'version-taken') return false
  }
  throw new KeywrightError('ERR_INTERNAL', `no free key id in ${ID_ATTEMPTS} attempts`, {
    hint: 'the random number generator does not look random; do not go on using it',
  })
}

async function makeRecord(
  services: KeyServices,
  identity: KeyIdentity,
  policy: KeyTypePolicy,
  activatesAt: number,
): Promise<KeyRecord> {
  const dataKey = randomBytes(DATA_KEY_BYTES)
  try {
    const record = newRecord(identity, dataKey, [], activatesAt)
    return { ...record, wraps: await wrapUnderAll(services.calls, policy, record, dataKey) }
  } finally {
    wipe(dataKey)
  }
}
