/**
 * Keyrings as Tink keysets, so that a service in Go, Java, Python or C++ reads our columns, and keys that were made
 * elsewhere can be taken over.
 *
 * Encrypted, a keyset is Tink's EncryptedKeyset whose `encrypted_keyset` is an envelope (envelope.ts) under the
 * context { purpose: 'keywright keyset' }: `unseal` opens it with the provider alone.
 */
import { equalBytes, wipe } from '../crypto/bytes.ts'
import {
  decodeEncryptedKeyset,
  decodeEncryptedKeysetJson,
  encodeEncryptedKeyset,
  encodeEncryptedKeysetJson,
} from '../crypto/tink-encrypted-keyset.ts'
import { decodeKeyset, encodeKeyset, type TinkKey, type TinkKeyset } from '../crypto/tink-keyset.ts'
import { decodeKeysetJson, encodeKeysetJson } from '../crypto/tink-keyset-json.ts'
import { KeywrightError } from '../errors.ts'
import { unwrapRecord } from '../keys/opener.ts'
import { commitmentOf, newRecord } from '../keys/record.ts'
import { type KeyServices, policyOf, recordsOf } from '../keys/services.ts'
import { type KeyringView, viewKeyring } from '../keys/states.ts'
import { wrapUnderAll } from '../keys/wrap-all.ts'
import type { KeyRecord } from '../store.ts'
import { seal, unseal } from './envelope.ts'

/** White space that may stand before JSON; a binary keyset begins with a field tag, 0x08 or 0x12. */
const JSON_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

const CONTEXT = { purpose: 'keywright keyset' }

export interface ExportOptions {
  /** @default 'json' */
  readonly format?: 'json' | 'binary'
  /** Encrypt the keyset under this provider. */
  readonly provider?: string
  /** Export the keys themselves. Whoever has the result can read everything the keyring encrypted. */
  readonly clear?: boolean
  /** For the audit log. */
  readonly reason?: string
}

export interface ImportOptions {
  /** The provider that opens an encrypted keyset. Without it the keyset must be in clear. */
  readonly provider?: string
  readonly reason?: string
}

/** A keyring as a Tink keyset, in the form asked for. Throws ERR_ARGUMENT_INVALID unless told how to protect it. */
export async function exportKeyset(
  services: KeyServices,
  keyring: string,
  options: ExportOptions,
): Promise<Buffer> {
  assertOneProtection(options)
  if (options.provider !== undefined) services.calls.get(options.provider) // before it is announced
  const view = viewKeyring(await recordsOf(services.store, keyring), services.clock.now())
  const primary = view.current
  if (primary === undefined || view.stateOf(primary) !== 'active') {
    throw new KeywrightError('ERR_KEYRING_UNKNOWN', `keyring "${keyring}" has no active key to export`, {
      hint: 'make one with `keys create`, or rotate',
    })
  }
  await services.audit.append({
    event: 'keyset.export',
    keyring,
    keyId: primary.id,
    details: { protection: options.provider ?? 'none' },
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  })
  const keys: TinkKey[] = []
  try {
    await unwrapInto(keys, services, view)
    return await protect(services, { primaryKeyId: primary.id, keys }, options)
  } finally {
    for (const { key } of keys) wipe(key)
  }
}

function assertOneProtection(options: ExportOptions): void {
  if ((options.provider === undefined) === (options.clear === true)) return
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'a keyset is exported either under a provider or in clear',
    {
      hint: 'name a provider that encrypts it; in clear it holds the keys themselves',
    },
  )
}

/** Adds to `keys`, whose owner wipes them, also when one cannot be unwrapped. */
async function unwrapInto(keys: TinkKey[], services: KeyServices, view: KeyringView): Promise<void> {
  for (const record of view.records) {
    if (record.status === 'destroyed') continue
    const reads = record.status === 'enabled' || mayRead(services, record)
    keys.push({
      id: record.id,
      status: reads ? 'ENABLED' : 'DISABLED',
      prefix: record.algorithm === 'HMAC-SHA-256' ? 'RAW' : 'TINK',
      algorithm: record.algorithm,
      key: await unwrapRecord(services.calls, record),
    })
  }
}

const mayRead = (services: KeyServices, record: KeyRecord): boolean =>
  record.status === 'compromised' && policyOf(services, record.keyring).compromised === 'decrypt'

async function protect(services: KeyServices, keyset: TinkKeyset, options: ExportOptions): Promise<Buffer> {
  const json = options.format !== 'binary'
  if (options.provider === undefined) {
    return Buffer.from(json ? encodeKeysetJson(keyset) : encodeKeyset(keyset))
  }
  const clear = encodeKeyset(keyset)
  try {
    const sealed = await seal(services.calls.get(options.provider), clear, CONTEXT)
    return Buffer.from(
      json ? encodeEncryptedKeysetJson(sealed, keyset) : encodeEncryptedKeyset(sealed, keyset),
    )
  } finally {
    wipe(clear)
  }
}

/**
 * Takes a Tink keyset over as a new keyring: key ids stay, so ciphertexts made under it open here. The primary
 * becomes the active key. An import that was interrupted is completed by running it again.
 * Throws ERR_KEYSET_INVALID, and ERR_STORE_CONFLICT when the keyring or an id exists.
 */
export async function importKeyset(
  services: KeyServices,
  keyring: string,
  bytes: Uint8Array,
  options: ImportOptions = {},
): Promise<KeyRecord[]> {
  const policy = policyOf(services, keyring)
  if (options.provider !== undefined) services.calls.get(options.provider)
  const keyset = await parse(services, bytes, options)
  try {
    assertFits(keyset, policy.algorithm)
    const known = await assertFree(services, keyring, keyset)
    await services.audit.append({
      event: 'keyset.import',
      keyring,
      keyId: keyset.primaryKeyId,
      details: { keys: keyset.keys.length },
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    })
    return await insertAll(services, keyring, keyset, known)
  } finally {
    for (const { key } of keyset.keys) wipe(key)
  }
}

async function parse(services: KeyServices, bytes: Uint8Array, options: ImportOptions): Promise<TinkKeyset> {
  const json = bytes.find((byte) => !JSON_SPACE.has(byte)) === 0x7b // '{'
  const text = json ? Buffer.from(bytes).toString('utf8') : ''
  if (options.provider === undefined) return json ? decodeKeysetJson(text) : decodeKeyset(bytes)
  const sealed = json ? decodeEncryptedKeysetJson(text) : decodeEncryptedKeyset(bytes)
  const clear = await unseal(services.calls.get(options.provider), sealed, CONTEXT)
  try {
    return decodeKeyset(clear)
  } finally {
    wipe(clear)
  }
}

function assertFits(keyset: TinkKeyset, algorithm: string): void {
  for (const key of keyset.keys) {
    const prefix = algorithm === 'HMAC-SHA-256' ? 'RAW' : 'TINK'
    if (key.algorithm === algorithm && key.prefix === prefix && key.id !== 0) continue
    throw new KeywrightError(
      'ERR_KEYSET_INVALID',
      `key ${key.id} is ${key.algorithm} with prefix ${key.prefix}`,
      {
        hint: `this key type takes ${algorithm} keys with prefix ${prefix} and an id other than 0`,
      },
    )
  }
}

/** The ids that are there already: of an import that was interrupted, which this one completes. */
async function assertFree(
  services: KeyServices,
  keyring: string,
  keyset: TinkKeyset,
): Promise<ReadonlySet<number>> {
  const found = await recordsOf(services.store, keyring)
  const ordered = inOrder(keyset)
  for (const record of found) {
    const key = ordered[record.version - 1]
    if (key?.id === record.id && equalBytes(commitmentOf(key.key), record.commitment)) continue
    throw new KeywrightError('ERR_STORE_CONFLICT', `keyring "${keyring}" exists already`, {
      hint: 'import into a keyring that has no keys yet: another tenant or another key type',
    })
  }
  for (const { id } of ordered) {
    const holder = await services.store.get(id)
    if (holder === undefined || holder.keyring === keyring) continue
    throw new KeywrightError('ERR_STORE_CONFLICT', `key id ${id} is taken by keyring "${holder.keyring}"`, {
      hint: 'ids stand in ciphertexts and cannot be changed: was this keyset imported before?',
    })
  }
  if (found.length < ordered.length) return new Set(found.map(({ id }) => id))
  throw new KeywrightError('ERR_STORE_CONFLICT', `keyring "${keyring}" holds this keyset already`, {
    hint: 'there is nothing left to import',
  })
}

/** By version: the primary has the highest, so that it is the active key. */
function inOrder(keyset: TinkKeyset): readonly TinkKey[] {
  const keys = keyset.keys.filter((key) => key.status !== 'DESTROYED')
  const isPrimary = ({ id }: TinkKey): boolean => id === keyset.primaryKeyId
  return [...keys.filter((key) => !isPrimary(key)), ...keys.filter(isPrimary)]
}

/** The primary first: stopping half-way leaves it the active key. */
async function insertAll(
  services: KeyServices,
  keyring: string,
  keyset: TinkKeyset,
  known: ReadonlySet<number>,
): Promise<KeyRecord[]> {
  const ordered = inOrder(keyset)
  const records: KeyRecord[] = []
  for (let index = ordered.length - 1; index >= 0; index--) {
    const key = ordered[index] as TinkKey
    if (known.has(key.id)) continue
    const record = await recordFor(services, keyring, key, index + 1)
    if ((await services.store.insert(record)) !== 'inserted') {
      throw new KeywrightError(
        'ERR_STORE_CONFLICT',
        `keyring "${keyring}" was made by somebody else meanwhile`,
        {
          hint: 'look at it with `keys list` before trying again',
        },
      )
    }
    records.unshift(record)
  }
  return records
}

async function recordFor(
  services: KeyServices,
  keyring: string,
  key: TinkKey,
  version: number,
): Promise<KeyRecord> {
  const now = services.clock.now()
  const identity = { id: key.id, keyring, version, algorithm: key.algorithm, createdAt: now }
  const policy = policyOf(services, keyring)
  const bare = newRecord(identity, key.key, [], now)
  const record = { ...bare, wraps: await wrapUnderAll(services.calls, policy, bare, key.key) }
  return key.status === 'ENABLED'
    ? record
    : { ...record, status: 'suspended', statusReason: 'disabled in the imported keyset' }
}
