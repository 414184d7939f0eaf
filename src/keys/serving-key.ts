/** Which open key encrypts. */
import type { KeyRecord } from '../store.ts'
import type { KeyCache } from './key-cache.ts'
import type { OpenKey } from './open-key.ts'

/**
 * The open key of the current version. When it could not be opened yet, because the provider is down, the version
 * before goes on for as long as stale keys may serve: a process that has not heard of the rotation does the same.
 */
export function servingKey(
  records: readonly KeyRecord[],
  current: KeyRecord,
  cache: KeyCache,
  now: number,
): OpenKey | undefined {
  const serves = (record: KeyRecord | undefined): OpenKey | undefined => {
    const key = record === undefined ? undefined : cache.peek(record.id)
    return key !== undefined && now < cache.servesUntil(key) ? key : undefined
  }
  const inTime = now < current.activatesAt + cache.serveStaleMs
  const before = records.findLast((record) => record.version < current.version && record.status === 'enabled')
  return serves(current) ?? (inTime ? serves(before) : undefined)
}
