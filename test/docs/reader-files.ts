/** The third part of the reader (reader.ts): encrypted files and streams, section 11. */
import { createDecipheriv, createHmac } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import {
  type Algorithm,
  type Context,
  contextBytes,
  dataKeyContext,
  derive,
  type MasterKeys,
  openValue,
  unwrap,
  valueBytes,
} from './reader.ts'
import { readMessage } from './reader-messages.ts'

export interface FileParts {
  readonly keyId: number
  readonly compressed: boolean
  readonly recovery: Buffer | undefined
  readonly name: Buffer | undefined
  readonly header: Buffer
  readonly stream: Buffer
}

/** 11.1: header and stream. */
export function fileParts(file: Buffer): FileParts {
  if (file.subarray(0, 4).toString('latin1') !== 'KWF1') throw new Error('no magic')
  const header = file.subarray(0, file.readUInt16BE(4))
  if (header.length < 12 || header.length !== file.readUInt16BE(4)) throw new Error('a cut header')
  const flags = header.readUInt16BE(10)
  if (flags > 7) throw new Error('an unknown flag')
  let at = 12
  const part = (flag: number): Buffer | undefined => {
    if ((flags & flag) === 0) return undefined
    const from = at + 2
    at = from + header.readUInt16BE(at)
    if (at === from || at > header.length) throw new Error('a part that does not fit')
    return header.subarray(from, at)
  }
  const [recovery, name] = [part(2), part(4)]
  if (at !== header.length) throw new Error('something behind the parts')
  const stream = file.subarray(header.length)
  return { keyId: header.readUInt32BE(6), compressed: (flags & 1) === 1, recovery, name, header, stream }
}

/** 11.2: the data key by the wrapped key in the header. */
export function recoveredKey(masterKeys: MasterKeys, { keyId, recovery }: FileParts): Buffer {
  const fields = readMessage(recovery ?? Buffer.alloc(0))
  const [keyring, version, wrap] = [1, 2, 4].map((number) => fields.get(number)?.[0])
  const wrapped = readMessage(wrap as Buffer)
  const text = (number: number): string => String(wrapped.get(number)?.[0])
  return unwrap(
    masterKeys,
    {
      provider: text(1),
      masterKeyId: text(2),
      masterKeyVersion: text(3),
      algorithm: text(4),
      ciphertext: Buffer.from((wrapped.get(5)?.[0] ?? '') as Buffer).toString('base64'),
    },
    dataKeyContext({ id: keyId, keyring: String(keyring), version: Number(version) }),
  )
}

/** 11.3: the key of the segments. */
export function segmentKey(dataKey: Buffer, { header, stream }: FileParts, context: Context): Buffer {
  const info = Buffer.concat([header, contextBytes(context)])
  const prk = createHmac('sha256', stream.subarray(1, 33)).update(derive(dataKey, 'file')).digest()
  return createHmac('sha256', prk).update(info).update(Buffer.of(1)).digest()
}

/** 11.3: the content. */
export function openFile(dataKey: Buffer, file: Buffer, context: Context): Buffer {
  const parts = fileParts(file)
  const { stream } = parts
  if (stream[0] !== 40) throw new Error('another start')
  const key = segmentKey(dataKey, parts, context)
  const opened: Buffer[] = []
  for (let index = 0, at = 40; index === 0 || at < stream.length; index++) {
    const end = Math.min(stream.length, (index + 1) * 65_536)
    const iv = Buffer.alloc(12)
    stream.copy(iv, 0, 33, 40)
    iv.writeUInt32BE(index, 7)
    iv[11] = end === stream.length ? 1 : 0
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
    decipher.setAuthTag(stream.subarray(end - 16, end))
    opened.push(decipher.update(stream.subarray(at, end - 16)), decipher.final())
    at = end
  }
  const content = Buffer.concat(opened)
  return parts.compressed ? zstdDecompressSync(content) : content
}

/** 11.4: the path in the header. */
export function filePath(
  dataKey: Buffer,
  algorithm: Algorithm,
  { name }: FileParts,
  context: Context,
): string {
  const place = { ...context, column: 'file name', table: 'keywright' }
  const wire = valueBytes(`kw1.${(name ?? Buffer.alloc(0)).toString('base64url')}`)
  return openValue(dataKey, algorithm, wire, contextBytes(place)).toString()
}
