/**
 * A reader of everything Keywright writes, made from the text of docs/format.md alone: it shares no code with the
 * library, so that a mistake in one of them shows. Numbers in comments are sections of that document.
 */
import {
  argon2Sync,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  scryptSync,
} from 'node:crypto'
import { domainToASCII } from 'node:url'

export type Context = Readonly<Record<string, string>>
export type Algorithm = 'AES-256-GCM' | 'X-AES-256-GCM' | 'HMAC-SHA-256'

const fail = (what: string): never => {
  throw new Error(what)
}

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest()
const hmac = (key: Uint8Array, bytes: Uint8Array | string): Buffer =>
  createHmac('sha256', key).update(bytes).digest()

const uint32 = (number: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/** 1: base64 in its one canonical spelling. */
export function base64(text: string, variant: 'base64' | 'base64url' = 'base64'): Buffer {
  const bytes = Buffer.from(text, variant)
  return bytes.toString(variant) === text ? bytes : fail('not canonical base64')
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) fail('a lone surrogate')
  const characters = [...text].map((character) => {
    const code = character.codePointAt(0) ?? 0
    if (SHORT[character] !== undefined) return SHORT[character]
    return code < 0x20 ? `\\u${code.toString(16).padStart(4, '0')}` : character
  })
  return `"${characters.join('')}"`
}

/** 2: a context; 10: an audit record, which holds numbers, booleans and one level of objects too. */
export function canonical(value: unknown): string {
  if (typeof value === 'string') return canonicalString(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const members = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${canonicalString(name)}:${canonical(member)}`).join(',')}}`
}

export function contextBytes(context: Context): Buffer {
  for (const [name, value] of Object.entries(context)) {
    if (!/^[a-z0-9_.-]{1,64}$/.test(name)) fail('a context name')
    if (typeof value !== 'string') fail('a context value')
  }
  return Buffer.from(canonical(context))
}

/** 3: the bytes of a value in its text form. */
export function valueBytes(text: string): Buffer {
  if (!text.startsWith('kw1.')) fail('no kw1. prefix')
  const wire = base64(text.slice(4), 'base64url')
  if (wire.length < 33 || wire[0] !== 0x01) fail('too short, or another start byte')
  return wire
}

export const keyIdOf = (wire: Buffer): number => wire.readUInt32BE(1)

function gcmOpen(key: Uint8Array, iv: Buffer, sealed: Buffer, aad: Uint8Array): Buffer {
  if (sealed.length < 16) fail('shorter than a tag')
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

/** 3.2: the key of one message under X-AES-256-GCM. */
export function messageKey(key: Uint8Array, salt: Buffer): Buffer {
  const aes = (block: Uint8Array): Buffer =>
    createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block)
  const l = BigInt(`0x${aes(Buffer.alloc(16)).toString('hex')}`)
  const k1 = ((l << 1n) & ((1n << 128n) - 1n)) ^ (l >> 127n === 1n ? 0x87n : 0n)
  const half = (counter: number): Buffer => {
    const m = BigInt(`0x00${counter.toString(16).padStart(2, '0')}5800${salt.toString('hex')}`)
    return aes(Buffer.from((m ^ k1).toString(16).padStart(32, '0'), 'hex'))
  }
  return Buffer.concat([half(1), half(2)])
}

/** 3: the plaintext of wire bytes under the key that they name. */
export function openValue(key: Uint8Array, algorithm: Algorithm, wire: Buffer, aad: Uint8Array): Buffer {
  if (algorithm === 'AES-256-GCM') return gcmOpen(key, wire.subarray(5, 17), wire.subarray(17), aad)
  if (algorithm !== 'X-AES-256-GCM') fail('no algorithm for values')
  return gcmOpen(messageKey(key, wire.subarray(5, 17)), wire.subarray(17, 29), wire.subarray(29), aad)
}

/** 4: a plaintext as JSON shows it (bytes as hex, a bigint and a date as text). */
export function decodePlaintext(as: string, plaintext: Buffer): unknown {
  if (as === 'bytes') return plaintext.toString('hex')
  const text = utf8(plaintext)
  if (as === 'string') return text
  if (as === 'bigint') return /^(0|-?[1-9][0-9]*)$/.test(text) ? text : fail('no integer')
  if (as === 'date') return new Date(text).toISOString() === text ? text : fail('no date')
  const value: unknown = JSON.parse(text)
  if (as === 'number' || as === 'boolean') return typeof value === as ? value : fail(`no ${as}`)
  return as === 'json' ? value : fail('an unknown type')
}

/** 5: normalisers of search tokens. */
export function normalise(normaliser: string, value: string): string {
  const lower = (text: string): string => text.normalize('NFKC').trim().toLowerCase().normalize('NFKC')
  if (normaliser === 'exact') return value.normalize('NFC')
  if (normaliser === 'lower') return lower(value)
  const digits = value.normalize('NFKC').replace(/[^0-9]/g, '')
  if (normaliser === 'digits') return digits
  if (normaliser === 'last4') return digits.slice(-4)
  const address = lower(value)
  const at = address.lastIndexOf('@')
  const domain = at < 0 ? '' : domainToASCII(address.slice(at + 1))
  const email = domain === '' ? address : `${address.slice(0, at)}@${domain}`
  if (normaliser === 'email_domain') return at < 0 ? '' : email.slice(email.lastIndexOf('@') + 1)
  return normaliser === 'email' ? email : fail('an unknown normaliser')
}

export interface TokenInput {
  readonly field: string
  readonly keyring: string
  readonly normaliser: string
  readonly value: string
  readonly bits?: string
  readonly slow?: string
}

/** 5: the value as it stands in the input of a slow token. */
export function stretched(key: Uint8Array, { value, ...about }: TokenInput): string {
  const cost = /^argon2id,m=(\d+),t=(\d+),p=(\d+)$/.exec(about.slow ?? '') ?? fail('an unknown hash')
  const [memory, passes, parallelism] = cost.slice(1).map(Number) as [number, number, number]
  const nonce = hmac(key, canonical({ ...about, salt: 'argon2id' })).subarray(0, 16)
  const message = Buffer.from(value)
  const parameters = { memory, message, nonce, parallelism, passes, tagLength: 32 }
  return Buffer.from(argon2Sync('argon2id', parameters)).toString('base64url')
}

/** 5: the search token of an input. */
export function searchToken(key: Uint8Array, keyId: number, input: TokenInput): string {
  const output = hmac(key, canonical({ ...input }))
  const bits = Number(input.bits ?? 256)
  const kept = Buffer.from(output.subarray(0, Math.ceil(bits / 8)))
  const unused = kept.length * 8 - bits
  kept.writeUInt8((kept.readUInt8(kept.length - 1) >> unused) << unused, kept.length - 1)
  return `kwi1.${Buffer.concat([uint32(keyId), kept]).toString('base64url')}`
}

/** 6.1: a key derived from a data key. */
export function derive(dataKey: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', dataKey, Buffer.alloc(0), `keywright/v1/${label}`, 32))
}

export interface Identity {
  readonly id: number
  readonly keyring: string
  readonly version: number
  readonly algorithm: Algorithm
  readonly created_at: number
}

/** 6.2: the MAC of a key record. */
export function recordMac(dataKey: Uint8Array, record: Identity): Buffer {
  const { algorithm, keyring } = record
  const fixed = {
    algorithm,
    commitment: derive(dataKey, 'commitment').toString('hex'),
    created_at: String(record.created_at),
    id: String(record.id),
    keyring,
    version: String(record.version),
  }
  return hmac(derive(dataKey, 'record-mac'), canonical(fixed))
}

/** 6.3: what the wraps of a data key are bound to. */
export function dataKeyContext({
  id,
  keyring,
  version,
}: Pick<Identity, 'id' | 'keyring' | 'version'>): Context {
  return { purpose: 'keywright data key', keyring, key_id: String(id), key_version: String(version) }
}

/** 6.3: the key of an unwrapped payload, after its digest was compared. */
export function keyOfPayload(payload: Buffer, context: Context): Buffer {
  const digest = sha256(contextBytes(context))
  if (payload.length < 32 || !payload.subarray(-32).equals(digest)) fail('a payload of another context')
  return payload.subarray(0, -32)
}

export interface Wrap {
  readonly provider: string
  readonly masterKeyId: string
  readonly masterKeyVersion: string
  readonly algorithm: string
  /** base64 */
  readonly ciphertext: string
}

export interface MasterKeys {
  /** As wraps name it. */
  readonly id: string
  readonly keys: ReadonlyMap<string, Buffer>
}

/** 7.1: a wrap of the file provider. */
export function unwrap(masterKeys: MasterKeys, wrap: Wrap, context: Context): Buffer {
  const { algorithm, masterKeyId, masterKeyVersion } = wrap
  const key = masterKeys.keys.get(masterKeyVersion)
  if (masterKeyId !== masterKeys.id || key === undefined) return fail('another key file, or no such version')
  if (algorithm !== 'AES-256-GCM') fail('an unknown wrap algorithm')
  const labels = [masterKeyId, masterKeyVersion].flatMap((label) => [
    uint32(Buffer.byteLength(label)),
    Buffer.from(label),
  ])
  const blob = base64(wrap.ciphertext)
  const aad = Buffer.concat([...labels, contextBytes(context)])
  return keyOfPayload(gcmOpen(key, blob.subarray(0, 12), blob.subarray(12), aad), context)
}

export type RootSecret = { readonly key: Buffer } | { readonly password: string }

interface Kdf {
  readonly name: string
  readonly salt: string
  readonly memoryKiB: number
  readonly passes: number
  readonly parallelism: number
  readonly N: number
  readonly r: number
  readonly p: number
}

/** 7.2: the key that seals a key file. */
export function sealingKey(root: RootSecret, kdf: Kdf): Buffer {
  const salt = base64(kdf.salt)
  if ('key' in root) {
    if (kdf.name !== 'hkdf-sha256') fail('sealed with a password')
    return Buffer.from(hkdfSync('sha256', root.key, salt, 'keywright-keyfile v1 sealing key', 32))
  }
  const message = Buffer.from(root.password.normalize('NFC'))
  if (kdf.name === 'scrypt') {
    const { N, r, p } = kdf
    return scryptSync(message, salt, 32, { N, r, p, maxmem: 256 * N * r })
  }
  if (kdf.name !== 'argon2id') fail('an unknown key derivation')
  const { memoryKiB: memory, passes, parallelism } = kdf
  return argon2Sync('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength: 32 })
}

/** 7.2: the master keys of a sealed key file. */
export function openKeyFile(text: string, root: RootSecret): MasterKeys {
  const file = JSON.parse(text)
  const lines = text.split('\n')
  const before = `${lines.slice(0, -3).join('\n')}\n`
  if (file.format !== 'keywright-keyfile' || file.v !== 1) fail('another format')
  if (file.bytes !== text.length) fail('another length')
  if (sha256(Buffer.from(before, 'latin1')).toString('hex') !== file.sha256) fail('damaged')
  const { current, format, generation, id, kdf, v, versions } = file
  const aad = Buffer.from(JSON.stringify({ current, format, generation, id, kdf, v, versions }))
  const sealed = base64(file.sealed)
  const keys = gcmOpen(sealingKey(root, kdf), sealed.subarray(0, 12), sealed.subarray(12), aad)
  const entries = (versions as { version: number }[]).map(
    ({ version }, index) => [String(version), keys.subarray(32 * index, 32 * index + 32)] as const,
  )
  return { id: `keyfile:${id}`, keys: new Map(entries) }
}
