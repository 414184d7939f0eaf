/** How the wraps of all keys stand to what the providers and the policy say now. */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import { wrappingProviders } from '../policy/policy.ts'
import type { MasterKeyDescription } from '../provider.ts'
import { eachRecord, type KeyServices, policyIfKnown } from './services.ts'

/** The wraps of one provider. */
export interface WrapStatus {
  readonly provider: string
  /** Absent when the provider could not be asked. */
  readonly masterKey?: Pick<MasterKeyDescription, 'id' | 'version' | 'state' | 'rotatesAt'>
  /** Why it could not be asked. */
  readonly code?: ErrorCode
  readonly wraps: number
  /** Under an older version of the master key: `rewrap` renews them. Absent when the provider could not be asked. */
  readonly stale?: number
  /** Keys that the policy wants wrapped by this provider and that are not: `repair` adds them. */
  readonly missing: number
  /** Keys that this provider alone can open. */
  readonly only: number
}

/** One pass over all records, and one question to each provider. Never rejects for a provider that is down. */
export async function wrapStatus(services: KeyServices): Promise<WrapStatus[]> {
  const rows = new Map(
    await Promise.all(services.calls.names.map(async (name) => [name, await rowOf(services, name)] as const)),
  )
  for await (const record of eachRecord(services.store)) {
    if (record.status === 'destroyed') continue
    const has = record.wraps.map(({ provider }) => provider)
    for (const wrapped of record.wraps) {
      const row = rows.get(wrapped.provider) ?? unknownRow(rows, wrapped.provider)
      row.wraps++
      if (has.length === 1) row.only++
      const { masterKey } = row
      if (masterKey === undefined) continue
      const isCurrent = masterKey.id === wrapped.masterKeyId && masterKey.version === wrapped.masterKeyVersion
      if (!isCurrent) row.stale = (row.stale ?? 0) + 1
    }
    const policy = policyIfKnown(services, record.keyring)
    for (const name of policy === undefined ? [] : wrappingProviders(policy)) {
      const row = rows.get(name)
      if (row !== undefined && !has.includes(name)) row.missing++
    }
  }
  return [...rows.values()]
}

type Row = { -readonly [K in keyof WrapStatus]: WrapStatus[K] }

async function rowOf(services: KeyServices, provider: string): Promise<Row> {
  const row: Row = { provider, wraps: 0, missing: 0, only: 0 }
  try {
    const { id, version, state, rotatesAt } = await services.calls.describe(provider)
    const masterKey = { id, version, state, ...(rotatesAt === undefined ? {} : { rotatesAt }) }
    return { ...row, masterKey, stale: 0 }
  } catch (error) {
    return { ...row, code: error instanceof KeywrightError ? error.code : 'ERR_INTERNAL' }
  }
}

/** A provider that wrapped keys and is not configured any more. */
function unknownRow(rows: Map<string, Row>, provider: string): Row {
  const row: Row = { provider, code: 'ERR_PROVIDER_UNKNOWN', wraps: 0, missing: 0, only: 0 }
  rows.set(provider, row)
  return row
}
