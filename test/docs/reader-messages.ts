/** The second half of the reader (reader.ts): envelopes, keysets and the audit log. */
import { createDecipheriv, createHash, createHmac } from 'node:crypto'
import {
  type Algorithm,
  base64,
  type Context,
  canonical,
  contextBytes,
  derive,
  type MasterKeys,
  unwrap,
} from './reader.ts'

type Message = ReadonlyMap<number, readonly (number | Buffer)[]>

/** 8: a protobuf message of varints and length-delimited fields, by field number. */
export function readMessage(bytes: Buffer): Message {
  const fields = new Map<number, (number | Buffer)[]>()
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 28) throw new Error('a varint that is cut or too long')
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const value = varint()
    const number = tag >>> 3
    if ((tag & 7) === 0) fields.set(number, [...(fields.get(number) ?? []), value])
    else {
      if ((tag & 7) !== 2 || at + value > bytes.length) throw new Error('a field that is cut')
      fields.set(number, [...(fields.get(number) ?? []), bytes.subarray(at, at + value)])
      at += value
    }
  }
  return fields
}

const bytesOf = (message: Message, number: number): Buffer => {
  const value = message.get(number)?.at(-1)
  if (value instanceof Buffer) return value
  throw new Error(`no bytes in field ${number}`)
}

const numberOf = (message: Message, number: number): number => Number(message.get(number)?.at(-1) ?? 0)

/** 8: the plaintext of an envelope. */
export function openEnvelope(masterKeys: MasterKeys, blob: Buffer, context: Context): Buffer {
  const length = blob.readUInt32BE(0)
  const sealed = blob.subarray(4 + length)
  if (length < 1 || length > 4096 || sealed.length < 28) throw new Error('no envelope')
  const wrapped = readMessage(blob.subarray(4, 4 + length))
  const text = (number: number): string => bytesOf(wrapped, number).toString()
  const aad = contextBytes(context)
  const wrap = {
    provider: text(1),
    masterKeyId: text(2),
    masterKeyVersion: text(3),
    algorithm: text(4),
    ciphertext: bytesOf(wrapped, 5).toString('base64'),
  }
  const digest = createHash('sha256').update(aad).digest('hex')
  const dataKey = unwrap(masterKeys, wrap, { purpose: 'keywright envelope', context_sha256: digest })
  const decipher = createDecipheriv('aes-256-gcm', dataKey, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
}

export interface KeysetKey {
  readonly id: number
  readonly algorithm: Algorithm
  readonly status: string
  readonly prefix: string
  readonly key: Buffer
}

export interface Keyset {
  readonly primary: number
  readonly keys: readonly KeysetKey[]
}

const TYPES: Readonly<Record<string, Algorithm>> = {
  'type.googleapis.com/google.crypto.tink.AesGcmKey': 'AES-256-GCM',
  'type.googleapis.com/google.crypto.tink.XAesGcmKey': 'X-AES-256-GCM',
  'type.googleapis.com/google.crypto.tink.HmacPrfKey': 'HMAC-SHA-256',
}
const STATUSES = ['', 'ENABLED', 'DISABLED', 'DESTROYED']
const PREFIXES = ['', 'TINK', 'LEGACY', 'RAW', 'CRUNCHY']

function algorithmOf(typeUrl: string): Algorithm {
  const algorithm = TYPES[typeUrl]
  if (algorithm === undefined) throw new Error('an unknown type of key')
  return algorithm
}

/** 9: a keyset in clear, binary. */
export function readKeyset(bytes: Buffer): Keyset {
  const keyset = readMessage(bytes)
  const keys = (keyset.get(2) ?? []).map((entry) => {
    const key = readMessage(entry as Buffer)
    const data = readMessage(bytesOf(key, 1))
    return {
      id: numberOf(key, 3),
      algorithm: algorithmOf(bytesOf(data, 1).toString()),
      status: STATUSES[numberOf(key, 2)] ?? '',
      prefix: PREFIXES[numberOf(key, 4)] ?? '',
      key: bytesOf(readMessage(bytesOf(data, 2)), 3),
    }
  })
  return { primary: numberOf(keyset, 1), keys }
}

interface JsonKeyset {
  readonly primaryKeyId: number
  readonly key: readonly {
    readonly keyData: { readonly typeUrl: string; readonly value: string }
    readonly status: string
    readonly keyId: number
    readonly outputPrefixType: string
  }[]
}

/** 9: a keyset in clear, JSON. */
export function readJsonKeyset(text: string): Keyset {
  const { primaryKeyId, key } = JSON.parse(text) as JsonKeyset
  const keys = key.map(({ keyData, keyId, outputPrefixType, status }) => ({
    id: keyId,
    algorithm: algorithmOf(keyData.typeUrl),
    status,
    prefix: outputPrefixType,
    key: bytesOf(readMessage(base64(keyData.value)), 3),
  }))
  return { primary: primaryKeyId, keys }
}

/** 9: an encrypted keyset, binary or JSON. */
export function openKeyset(masterKeys: MasterKeys, keyset: { json: string } | { binary: Buffer }): Keyset {
  const envelope =
    'json' in keyset
      ? base64((JSON.parse(keyset.json) as { encryptedKeyset: string }).encryptedKeyset)
      : bytesOf(readMessage(keyset.binary), 2)
  return readKeyset(openEnvelope(masterKeys, envelope, { purpose: 'keywright keyset' }))
}

interface AuditRecord {
  readonly v: number
  readonly seq: number
  readonly event: string
  readonly prev: string
  readonly hash: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** 10: whether the lines are an unbroken chain that ends where the head says. */
export function checkAuditLog(lines: readonly string[], head: string): boolean {
  let seq = 0
  let link = '0'.repeat(64)
  let last = ''
  for (const [index, line] of lines.entries()) {
    const record = JSON.parse(line) as AuditRecord
    const { hash, ...body } = record
    const isStart = index === 0 && record.event === 'audit.checkpoint'
    const digest = createHash('sha256').update(canonical(body)).digest('hex')
    const isNext = isStart || (record.seq === seq + 1 && record.event !== 'audit.checkpoint')
    if (record.v !== 1 || canonical(record) !== line || digest !== hash || !isNext || record.prev !== link)
      return false
    seq = record.seq
    link = isStart ? String(record.details?.['lastHash']) : hash
    last = hash
  }
  return head === `${canonical({ hash: last, seq, v: 1 })}\n`
}

/** 10.3: the bytes that the MAC of a checkpoint covers, and whether it is right under a data key. */
export function checkpointMac(line: string, dataKey: Uint8Array): { input: string; ok: boolean } {
  const { hash: _, details = {}, ...rest } = JSON.parse(line) as AuditRecord
  const { mac, macKeyId: _id, ...signed } = details
  const input = canonical({ ...rest, details: signed })
  const made = createHmac('sha256', derive(dataKey, 'audit-checkpoint')).update(input).digest('hex')
  return { input, ok: made === mac }
}
