/** The keys of files: the active key of a keyring to encrypt, the key that a header names to decrypt. */
import type { KeyObject } from 'node:crypto'
import { SUITES, type SuiteName } from '../../crypto/aead.ts'
import { wipe } from '../../crypto/bytes.ts'
import { type Context, canonicalBytes } from '../../crypto/canonical.ts'
import { keyIdOf, parseCiphertext } from '../../crypto/ciphertext.ts'
import { deriveBytes } from '../../crypto/derive.ts'
import { type Compression, encodeFileHeader, type FileHeader } from '../../crypto/file-header.ts'
import { newStream, openStream, type SegmentKey } from '../../crypto/streaming.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keyring } from '../../keys/keyring.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { OpenKey } from '../../keys/open-key.ts'
import { keyNotLoaded } from '../../keys/refusals.ts'
import type { KeyServices } from '../../keys/services.ts'
import { untilLoaded } from '../../keys/until-loaded.ts'
import { keyringFor } from '../../policy/evaluate.ts'
import { placeContext } from '../binding.ts'
import type { OpenOptions, SealOptions } from './options.ts'
import { encodeRecovery } from './recovery.ts'

/** Everything that is decided before the first byte of content. */
export interface SealedStart {
  readonly keyId: number
  readonly keyring: string
  readonly header: FileHeader
  /** Header and start of the stream, as they are written. */
  readonly bytes: Buffer
  /** How many of them are the header. */
  readonly headerBytes: number
  readonly segmentKey: SegmentKey
}

/** A data key that may open a file, and whose it is. */
export interface UnlockedKey {
  readonly keyring: string
  readonly key: KeyObject
  readonly algorithm: SuiteName
}

/** Finds the key that a header names. */
export type Unlock = (header: FileHeader, path?: string) => Promise<UnlockedKey>

/** Audit records hold at most 1000 characters. */
const MAX_PATH = 1000

export class FileKeys {
  readonly #services: KeyServices
  readonly #rings: Keyrings

  constructor(services: KeyServices, rings: Keyrings) {
    this.#services = services
    this.#rings = rings
  }

  /** The keyring of a key type and tenant. Throws ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. */
  keyring({ keyType, tenant }: { keyType: string; tenant?: string | undefined }): Keyring {
    const request = { keyType, ...(tenant === undefined ? {} : { tenant }) }
    return this.#rings.get(keyringFor(this.#services.policy, request).keyring)
  }

  /** Begins a file under the active key of `ring`. With `name`, the header carries it encrypted; `path` is for the audit log. */
  async begin(
    ring: Keyring,
    options: Omit<SealOptions, 'keyType' | 'tenant'>,
    { name, path }: { name?: string | undefined; path?: string | undefined } = {},
  ): Promise<SealedStart> {
    const compression = assertCompression(options.compression ?? 'none')
    placeContext(ring.name, { context: options.context }) // a bad context is told before anything is loaded
    const wire = name === undefined ? undefined : await ring.seal(name, nameAad(ring.name, options.context))
    const key = await sealingKey(ring, wire)
    await this.#audit('file.encrypt', ring, key.id, path)
    const header: FileHeader = {
      keyId: key.id,
      compression,
      ...(options.recoverable === true ? { recovery: recoveryOf(ring, key) } : {}),
      ...(wire === undefined ? {} : { name: wire }),
    }
    const headerBytes = encodeFileHeader(header)
    const { start, key: segmentKey } = withFileKey(key.key, (ikm) =>
      newStream(ikm, associatedData(headerBytes, ring.name, options.context)),
    )
    const bytes = Buffer.concat([headerBytes, start])
    const { length } = headerBytes
    return { keyId: key.id, keyring: ring.name, header, bytes, headerBytes: length, segmentKey }
  }

  /** Finds keys among the keyrings, as `options` allow. Throws ERR_KEY_UNKNOWN, ERR_KEYRING_MISMATCH and what a key refuses. */
  unlocker({ keyType, tenant }: OpenOptions): Unlock {
    if (keyType === undefined && tenant !== undefined) {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a tenant is named without its key type', {
        hint: 'name keyType too, or leave tenant out: the key id tells the tenant',
      })
    }
    const only = keyType === undefined ? undefined : this.keyring({ keyType, tenant })
    return async ({ keyId }, path) => {
      const ring = only ?? (await this.#rings.withKey(keyId))
      await this.#rings.assertOwns(ring, keyId)
      const key = await openingKey(ring, keyId)
      await this.#audit('file.decrypt', ring, keyId, path)
      return { keyring: ring.name, key: key.key, algorithm: algorithmOf(ring, keyId) }
    }
  }

  /** Counts what was encrypted. The content is safe by then: a store that is down costs only the count. */
  async used(keyId: number, files: number, bytes: number): Promise<void> {
    const add = { messages: files, bytes }
    await this.#services.store.addUsage(keyId, add, Number.POSITIVE_INFINITY).catch(() => undefined)
  }

  /** The key under which a file of this keyring would be encrypted now. */
  async activeKeyId(ring: Keyring): Promise<number> {
    return (await sealingKey(ring, undefined)).id
  }

  /** The keyring that has a key. Throws ERR_KEY_UNKNOWN. */
  async keyringWith(keyId: number): Promise<Keyring> {
    return this.#rings.withKey(keyId)
  }

  async #audit(
    event: 'file.encrypt' | 'file.decrypt',
    { name, policy }: Keyring,
    keyId: number,
    path: string | undefined,
  ): Promise<void> {
    if (!policy.auditAccess) return
    const details = path === undefined ? {} : { details: { path: path.slice(-MAX_PATH).toWellFormed() } }
    await this.#services.audit.append({ event, keyring: name, keyId, ...details })
  }
}

/** A word that is misspelt must not mean the default. */
function assertCompression(compression: Compression): Compression {
  if (compression === 'none' || compression === 'zstd') return compression
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'there is no such compression', {
    hint: "compression is 'none' or 'zstd'",
  })
}

/** The open key that encrypts now; where a name was encrypted already, the key of the name. */
async function sealingKey(ring: Keyring, wire: Buffer | undefined): Promise<OpenKey> {
  return untilLoaded(async () => {
    if (!ring.readyToSeal()) await ring.prepare()
    const id = wire === undefined ? undefined : keyIdOf(wire)
    const key = id === undefined ? ring.activeKey() : ring.openKeys().find((open) => open.id === id)
    if (key === undefined) throw keyNotLoaded(ring.name, id ?? 0)
    return take(key, ring)
  })
}

async function openingKey(ring: Keyring, id: number): Promise<OpenKey> {
  return untilLoaded(async () => {
    await ring.prepareKey(id)
    const key = ring.openKeys().find((open) => open.id === id)
    if (key === undefined) throw ring.records.whyNotOpen(id)
    return take(key, ring)
  })
}

/** One use of a key. Throws ERR_ARGUMENT_INVALID for one that makes search tokens. */
function take(key: OpenKey, ring: Keyring): OpenKey {
  if (key.usesLeft <= 0) throw keyNotLoaded(ring.name, key.id)
  if (key.suite !== undefined) key.usesLeft--
  return key
}

function algorithmOf(ring: Keyring, id: number): SuiteName {
  const algorithm = ring.records.byId(id)?.algorithm
  if (algorithm !== undefined && algorithm !== 'HMAC-SHA-256') return algorithm
  throw keyNotLoaded(ring.name, id)
}

function recoveryOf(ring: Keyring, key: OpenKey): Uint8Array {
  const record = ring.records.byId(key.id)
  if (record === undefined) throw keyNotLoaded(ring.name, key.id)
  const { keyring, version, wraps } = record
  return encodeRecovery({ keyring, version, algorithm: algorithmOf(ring, key.id), wraps })
}

function withFileKey<T>(dataKey: KeyObject, use: (ikm: Buffer) => T): T {
  const ikm = deriveBytes(dataKey, 'file')
  try {
    return use(ikm)
  } finally {
    wipe(ikm)
  }
}

/** What the stream is bound to: its header as it stands, and the context. */
function associatedData(headerBytes: Uint8Array, keyring: string, context: Context | undefined): Buffer {
  return Buffer.concat([headerBytes, canonicalBytes(placeContext(keyring, { context }))])
}

function nameAad(keyring: string, context: Context | undefined): Buffer {
  return canonicalBytes(placeContext(keyring, { context, table: 'keywright', column: 'file name' }))
}

/** The key of the segments behind `headerBytes` and `start`. */
export function segmentKeyOf(
  { key, keyring }: UnlockedKey,
  headerBytes: Uint8Array,
  start: Uint8Array,
  context: Context | undefined,
): SegmentKey {
  return withFileKey(key, (ikm) => openStream(ikm, associatedData(headerBytes, keyring, context), start))
}

/** The path that a header carries. Throws ERR_DECRYPTION_FAILED under another context. */
export function openName(
  { key, keyring, algorithm }: UnlockedKey,
  wire: Uint8Array,
  context: Context | undefined,
): string {
  const opened = SUITES[algorithm].open(key, parseCiphertext(wire), nameAad(keyring, context))
  return opened.toString('utf8')
}
