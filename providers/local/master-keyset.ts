/**
 * The master keys of one key file, and the file's format. Pure: no file is touched here.
 *
 * A key file (format "keywright-keyfile", version 1) is ASCII text that is also a JSON document. It is
 * written in exactly one way, byte for byte, with two spaces before each member, one member a line, LF line
 * ends:
 *
 *     {
 *       "format": "keywright-keyfile",
 *       "v": 1,
 *       "bytes": 645,
 *       "id": "9f86d081884c7d659a2feaa0c55ad015",
 *       "generation": 2,
 *       "current": 2,
 *       "versions": [{"createdAt":"2026-01-31T09:00:00.000Z","version":1},{"createdAt":"…","version":2}],
 *       "kdf": {"memoryKiB":65536,"name":"argon2id","parallelism":1,"passes":3,"salt":"…"},
 *       "sealed": "…",
 *       "sha256": "…"
 *     }
 *
 * - bytes: length of the whole file, so that a cut file is known as such.
 * - id: 16 random bytes as lower-case hex, made with the file. Wraps name it: `keyfile:<id>`.
 * - generation: 1, then plus 1 with every change. A file that goes back is refused.
 * - current: the version that new wraps use, one of `versions`, which ascend. createdAt is ISO 8601 in UTC.
 * - kdf: how the sealing key follows from the root secret. `argon2id` and `scrypt`
 *   (`{"N","name","p","r","salt"}`) take a password (UTF-8 of its NFC) and give 32 bytes. `hkdf-sha256`
 *   (`{"name","salt"}`) takes a root key of 32 bytes; its info is "keywright-keyfile v1 sealing key". salt is
 *   base64 of 16 bytes. Members stand in alphabetical order.
 * - sealed: base64 of `nonce (12) || ciphertext || tag (16)`, AES-256-GCM under the sealing key. The
 *   plaintext is the 32-byte master keys, one after another, in the order of `versions`. Raw bytes, unlike
 *   text, can be wiped. The associated data is the RFC 8785 form of the object with the members current,
 *   format, generation, id, kdf, v and versions as they stand in the file.
 * - sha256: lower-case hex of the SHA-256 of all bytes before this line. It finds damage; only `sealed` finds
 *   malice.
 *
 * An unsealed file (development only) has, in place of "kdf" and "sealed", the lines `"unsealed": true` and
 * `"keys": "<base64 of the master keys>"`.
 *
 * Readers refuse what they would not write themselves: other members, another order, other white space.
 */
import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { KeywrightError } from '../../src/provider.ts'
import { GCM_OVERHEAD_BYTES, gcmOpen, gcmSeal } from './gcm.ts'
import { type Kdf, kdfProblem } from './kdf.ts'

export interface MasterKeyVersion {
  /** 1, 2, 3 … within the file. */
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly key: KeyObject
}

export interface MasterKeyset {
  /** 32 hex digits. */
  readonly id: string
  /** 1, then plus 1 with every change. */
  readonly generation: number
  /** The version that new wraps use. */
  readonly current: number
  /** Ascending. */
  readonly versions: readonly MasterKeyVersion[]
}

/** A key file that was read and found whole, but is not opened yet. */
export interface KeyFileDocument {
  readonly id: string
  readonly generation: number
  readonly current: number
  readonly versions: readonly { readonly version: number; readonly createdAt: number }[]
  /** Absent when the file is not sealed. */
  readonly kdf?: Kdf
  /** The sealed keys, or the keys themselves when the file is not sealed. */
  readonly body: Buffer
}

type Head = Omit<KeyFileDocument, 'body'>

const KEY_BYTES = 32
const START = '{\n  "format": "keywright-keyfile",\n  "v": '
const OPENING = /^\{\n {2}"format": "keywright-keyfile",\n {2}"v": \d{1,3},\n {2}"bytes": (\d{1,7}),\n/
const LONGEST_OPENING = START.length + '999,\n  "bytes": 9999999,\n'.length
const END = /^ {2}"sha256": "[0-9a-f]{64}"\n\}\n$/
const END_LENGTH = `  "sha256": "${'0'.repeat(64)}"\n}\n`.length
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** A new keyset with one master key. `createdAt` in milliseconds since the epoch. */
export function createMasterKeyset(createdAt: number): MasterKeyset {
  const first = { createdAt, key: randomKey(), version: 1 }
  return { current: 1, generation: 1, id: randomBytes(16).toString('hex'), versions: [first] }
}

/** The keyset with one more master key, which is the current one from now on. */
export function addMasterKeyVersion(keyset: MasterKeyset, createdAt: number): MasterKeyset {
  const version = Math.max(...keyset.versions.map((known) => known.version)) + 1
  const versions = [...keyset.versions, { createdAt, key: randomKey(), version }]
  return { ...keyset, current: version, generation: keyset.generation + 1, versions }
}

/** The text of a key file: sealed under `seal.key`, or with the keys in clear when `seal` is left out. */
export function formatKeyFile(keyset: MasterKeyset, seal?: { kdf: Kdf; key: KeyObject }): string {
  const keys = Buffer.concat(keyset.versions.map(({ key }) => key.export()))
  const head = seal === undefined ? keyset : { ...keyset, kdf: seal.kdf }
  const body = seal === undefined ? keys : gcmSeal(seal.key, keys, associatedData(head))
  const text = render(head, body)
  keys.fill(0)
  return text
}

/**
 * Reads the text of a key file; `path` is for messages.
 *
 * @throws KeywrightError ERR_KEY_FILE_EMPTY, ERR_KEY_FILE_TRUNCATED (its end is missing),
 * ERR_KEY_FILE_CORRUPT (whole, but not as it was written, or no key file at all), ERR_KEY_FILE_UNREADABLE (a
 * newer format).
 */
export function parseKeyFile(text: string, path: string): KeyFileDocument {
  if (text.trim() === '') throw broken('EMPTY', `the key file is empty: ${path}`)
  if (isCut(text)) throw broken('TRUNCATED', `the end of the key file is missing: ${path}`)
  if (!text.startsWith(START)) throw broken('CORRUPT', `not a key file: ${path}`)
  if (!text.startsWith('1,\n', START.length) && /^\d+,\n/.test(text.slice(START.length))) {
    throw new KeywrightError('ERR_KEY_FILE_UNREADABLE', `the key file has a newer format: ${path}`, {
      hint: 'update keywright to the version that wrote it',
    })
  }
  const document = toDocument(text)
  if (typeof document === 'string') throw broken('CORRUPT', `the key file is damaged (${document}): ${path}`)
  return document
}

/** The master keys of a sealed document; `undefined` when `key` does not open it. */
export function openSealedKeyset(document: KeyFileDocument, key: KeyObject): MasterKeyset | undefined {
  const keys = gcmOpen(key, document.body, associatedData(document))
  return keys === undefined ? undefined : toKeyset(document, keys)
}

/** The master keys of a document that is not sealed. Wipes them there. */
export function openClearKeyset(document: KeyFileDocument): MasterKeyset {
  return toKeyset(document, document.body)
}

function toKeyset({ current, generation, id, versions }: Head, keys: Buffer): MasterKeyset {
  const opened = versions.map((version, index) => ({
    ...version,
    key: createSecretKey(keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES)),
  }))
  keys.fill(0)
  return { current, generation, id, versions: opened }
}

function randomKey(): KeyObject {
  const bytes = randomBytes(KEY_BYTES)
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

/** The members that stand for themselves, in the order of the file. */
function headMembers(head: Head): Record<string, unknown> {
  const versions = head.versions.map(({ createdAt, version }) => ({
    createdAt: new Date(createdAt).toISOString(),
    version,
  }))
  return { id: head.id, generation: head.generation, current: head.current, versions }
}

function associatedData(head: Head): Buffer {
  const { current, generation, id, versions } = headMembers(head)
  const kdf = head.kdf === undefined ? undefined : sorted(head.kdf)
  // In alphabetical order and without white space, this is RFC 8785.
  return Buffer.from(
    JSON.stringify({ current, format: 'keywright-keyfile', generation, id, kdf, v: 1, versions }),
  )
}

function sorted(members: object): object {
  return Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function render(head: Head, body: Buffer): string {
  const secret =
    head.kdf === undefined
      ? { unsealed: true, keys: body.toString('base64') }
      : { kdf: sorted(head.kdf), sealed: body.toString('base64') }
  const members = { ...headMembers(head), ...secret }
  const lines = Object.entries(members).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},\n`)
  const rest = lines.join('')
  let before = ''
  let bytes = 0
  // The length counts its own digits: at most one more round than it has.
  while (before.length + END_LENGTH !== bytes) {
    bytes = before.length + END_LENGTH
    before = `${START}1,\n  "bytes": ${bytes},\n${rest}`
  }
  return `${before}  "sha256": "${createHash('sha256').update(before, 'latin1').digest('hex')}"\n}\n`
}

/** Whether `text` is the beginning of a key file and not the whole of it. */
function isCut(text: string): boolean {
  if (END.test(text.slice(-END_LENGTH))) return false
  const bytes = OPENING.exec(text)?.[1]
  if (bytes !== undefined) return text.length < Number(bytes)
  return text.length < LONGEST_OPENING && text.slice(0, START.length) === START.slice(0, text.length)
}

/** The document, or what is wrong with it. */
function toDocument(text: string): KeyFileDocument | string {
  let file: Record<string, unknown>
  try {
    file = JSON.parse(text)
  } catch {
    return 'not JSON'
  }
  const { id, generation, current, kdf } = file
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) return 'id'
  if (!isCount(generation)) return 'generation'
  const versions = toVersions(file['versions'])
  if (versions === undefined) return 'versions'
  if (!versions.some(({ version }) => version === current)) return 'current'
  const problem = kdf === undefined ? undefined : kdfProblem(kdf)
  if (problem !== undefined) return problem
  const keys = file[kdf === undefined ? 'keys' : 'sealed']
  const body = Buffer.from(typeof keys === 'string' ? keys : '', 'base64')
  const overhead = kdf === undefined ? 0 : GCM_OVERHEAD_BYTES
  if (body.length !== versions.length * KEY_BYTES + overhead) return 'length of the keys'
  const head = { id, generation, current: current as number, versions }
  const document = kdf === undefined ? { ...head, body } : { ...head, body, kdf: kdf as Kdf }
  // Checks all at once: checksum, length, unknown or doubled members, order, white space, base64 spelling.
  return render(document, body) === text ? document : 'checksum or spelling'
}

function toVersions(value: unknown): KeyFileDocument['versions'] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined
  const versions = value.map((entry: unknown) => {
    const { createdAt, version } = (entry ?? {}) as { createdAt?: unknown; version?: unknown }
    return { createdAt: typeof createdAt === 'string' ? Date.parse(createdAt) : Number.NaN, version }
  })
  let last = 0
  for (const { createdAt, version } of versions) {
    if (!isCount(version) || version <= last || !(createdAt >= 0 && createdAt <= LATEST)) return undefined
    last = version
  }
  return versions as KeyFileDocument['versions']
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function broken(what: 'EMPTY' | 'TRUNCATED' | 'CORRUPT', message: string): KeywrightError {
  return new KeywrightError(`ERR_KEY_FILE_${what}`, message, {
    hint: 'restore it from a backup; a new key file would not open what was encrypted under this one',
  })
}
