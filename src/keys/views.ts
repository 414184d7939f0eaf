/** Keys and keyrings as people and programs look at them: no key material, states and dates worked out. */
import { expiresAt, rotationDue } from '../policy/evaluate.ts'
import { parseKeyring } from '../policy/keyring-name.ts'
import type { KeyAlgorithm, KeyRecord, KeyState, KeyUsage } from '../store.ts'
import { eachKeyring } from './lifecycle.ts'
import { type KeyServices, policyIfKnown } from './services.ts'
import { type KeyringView, viewKeyring } from './states.ts'

/** One key. Times are ms since the epoch; what does not apply is absent. */
export interface KeyInfo {
  readonly id: number
  readonly keyring: string
  readonly keyType: string
  readonly tenant?: string
  readonly version: number
  readonly algorithm: KeyAlgorithm
  readonly state: KeyState
  readonly createdAt: number
  readonly activatesAt: number
  readonly deactivatedAt?: number
  /** When the active key is due to be replaced by age. */
  readonly rotatesAt?: number
  /** When it stops encrypting for its age. */
  readonly expiresAt?: number
  readonly due: boolean
  readonly overdue: boolean
  readonly dueReasons: readonly string[]
  readonly statusReason?: string
  readonly usage: KeyUsage
  readonly wraps: readonly { provider: string; masterKeyId: string; masterKeyVersion: string }[]
}

const finite = (ms: number): number | undefined => (Number.isFinite(ms) ? ms : undefined)

/** `record` within its keyring. A key type that the policy has dropped has no dates. */
export function keyInfo(services: KeyServices, view: KeyringView, record: KeyRecord): KeyInfo {
  const { keyType, tenant } = parseKeyring(record.keyring)
  const policy = policyIfKnown(services, record.keyring)
  const state = view.stateOf(record)
  const rotation = policy && rotationDue(policy, { ...record, state }, services.clock.now())
  const rotatesBySelf = state === 'active' && policy?.rotation.auto === true
  const optional = {
    tenant,
    deactivatedAt: view.deactivatedAt(record),
    rotatesAt: rotatesBySelf && rotation !== undefined ? finite(rotation.at) : undefined,
    expiresAt: policy && finite(expiresAt(policy, record)),
    statusReason: record.statusReason === '' ? undefined : record.statusReason,
  }
  return {
    id: record.id,
    keyring: record.keyring,
    keyType,
    version: record.version,
    algorithm: record.algorithm,
    state,
    createdAt: record.createdAt,
    activatesAt: record.activatesAt,
    due: rotation?.due ?? false,
    overdue: rotation?.overdue ?? false,
    dueReasons: rotation?.reasons ?? [],
    usage: record.usage,
    wraps: record.wraps.map(({ provider, masterKeyId, masterKeyVersion }) => ({
      provider,
      masterKeyId,
      masterKeyVersion,
    })),
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as Partial<
      Pick<KeyInfo, 'tenant' | 'deactivatedAt' | 'rotatesAt' | 'expiresAt' | 'statusReason'>
    >),
  }
}

export interface KeyFilter {
  readonly keyring?: string
  readonly keyType?: string
  readonly state?: KeyState
}

/** Every key that fits the filter, by keyring and version. */
export async function* eachKeyInfo(services: KeyServices, filter: KeyFilter = {}): AsyncGenerator<KeyInfo> {
  for await (const records of eachKeyring(services, filter.keyring)) {
    const view = viewKeyring(records, services.clock.now())
    for (const record of view.records) {
      const info = keyInfo(services, view, record)
      if (filter.keyType !== undefined && info.keyType !== filter.keyType) continue
      if (filter.state !== undefined && info.state !== filter.state) continue
      yield info
    }
  }
}

/** Numbers over the whole store. */
export interface KeyStatistics {
  readonly keys: number
  readonly keyrings: number
  readonly byState: Readonly<Record<KeyState, number>>
  readonly byKeyType: Readonly<Record<string, number>>
  readonly byProvider: Readonly<Record<string, number>>
  readonly due: number
  readonly overdue: number
  /** Replaced, past max age, grace over: `cleanup` would destroy them. */
  readonly expired: number
  /** Leased messages and reported bytes over all keys. */
  readonly usage: KeyUsage
  /** The next rotation by age among active keys, ms since the epoch. */
  readonly nextRotationAt?: number
}

/** Counts everything in one pass. */
export async function keyStatistics(services: KeyServices, expired: number): Promise<KeyStatistics> {
  const byState = { pending: 0, active: 0, deactivated: 0, suspended: 0, compromised: 0, destroyed: 0 }
  const byKeyType: Record<string, number> = {}
  const byProvider: Record<string, number> = {}
  const keyrings = new Set<string>()
  const sums = { keys: 0, due: 0, overdue: 0, messages: 0, bytes: 0, next: Number.POSITIVE_INFINITY }
  for await (const key of eachKeyInfo(services)) {
    sums.keys++
    keyrings.add(key.keyring)
    byState[key.state]++
    byKeyType[key.keyType] = (byKeyType[key.keyType] ?? 0) + 1
    for (const { provider } of key.wraps) byProvider[provider] = (byProvider[provider] ?? 0) + 1
    if (key.due) sums.due++
    if (key.overdue) sums.overdue++
    sums.messages += key.usage.messages
    sums.bytes += key.usage.bytes
    sums.next = Math.min(sums.next, key.rotatesAt ?? Number.POSITIVE_INFINITY)
  }
  return {
    keys: sums.keys,
    keyrings: keyrings.size,
    byState,
    byKeyType,
    byProvider,
    due: sums.due,
    overdue: sums.overdue,
    expired,
    usage: { messages: sums.messages, bytes: sums.bytes },
    ...(Number.isFinite(sums.next) ? { nextRotationAt: sums.next } : {}),
  }
}
