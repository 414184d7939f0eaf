/** Makes key ring and crypto key where there are none: only when `create` is asked for. */
import type { Connection } from './connection.ts'
import { describeFailure, statusOf } from './errors.ts'
import { type KeyNameParts, keyName } from './names.ts'
import { CREATE_PERMISSION } from './privileges.ts'

const NOT_FOUND = 5
const ALREADY_EXISTS = 6
const PERMISSION_DENIED = 7
/** The deadlines of core are not there yet. */
const CREATE_TIMEOUT_MS = 20_000

/**
 * Makes what is missing. An identity that may not look is left to what it may do: what it wraps with is there.
 * Another process that makes the same key at the same time is no failure. Throws KeywrightError.
 */
export async function ensureKey(connection: Connection, parts: KeyNameParts): Promise<void> {
  const { keyRing, location, projectId } = parts
  const [key, place] = [keyName(parts), `projects/${projectId}/locations/${location}`]
  const signal = AbortSignal.timeout(CREATE_TIMEOUT_MS)
  /** The status that was tolerated, 0 for success. */
  const unless = async (tolerated: readonly number[], call: Promise<unknown>): Promise<number> => {
    try {
      await call
      return 0
    } catch (error) {
      const status = statusOf(error)
      if (status !== undefined && tolerated.includes(status)) return status
      throw describeFailure(error, { key, operation: 'create the key', permission: CREATE_PERMISSION })
    }
  }
  const look = connection.call('getCryptoKey', { name: key }, signal)
  if ((await unless([NOT_FOUND, PERMISSION_DENIED], look)) !== NOT_FOUND) return
  const ring = { keyRing: {}, keyRingId: keyRing, parent: place }
  await unless([ALREADY_EXISTS], connection.call('createKeyRing', ring, signal))
  const versionTemplate = { algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' }
  const made = {
    cryptoKey: { purpose: 'ENCRYPT_DECRYPT', versionTemplate },
    cryptoKeyId: parts.key,
    parent: `${place}/keyRings/${keyRing}`,
  }
  await unless([ALREADY_EXISTS], connection.call('createCryptoKey', made, signal))
}
