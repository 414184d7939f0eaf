/** Every example of docs/format.md, checked by a reader that shares no code with the library. */

import crypto, { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withoutKdf } from '../kit/node.ts'
import { documentExamples, frozenExamples, type RecordExample } from './examples.ts'
import {
  canonical,
  contextBytes,
  dataKeyContext,
  decodePlaintext,
  derive,
  keyIdOf,
  keyOfPayload,
  messageKey,
  normalise,
  openKeyFile,
  openValue,
  recordMac,
  sealingKey,
  searchToken,
  stretched,
  unwrap,
  valueBytes,
  type Wrap,
} from './reader.ts'
import {
  checkAuditLog,
  checkpointMac,
  openEnvelope,
  openKeyset,
  readJsonKeyset,
  readKeyset,
  readMessage,
} from './reader-messages.ts'

const examples = documentExamples()
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const { keys } = examples.keys
const keyFile = examples['key-file']
const masterKeys = openKeyFile(keyFile.lines.join('\n'), { key: hex(keyFile.rootKey) })

function keyOf(id: number): Buffer {
  const found = keys.find((key) => key.id === id)
  if (found === undefined) throw new Error('an unknown key')
  return hex(found.dataKey)
}

it('has every frozen example, unchanged', () => {
  expect(examples).toEqual(frozenExamples())
})

describe('2: contexts', () => {
  it.each(examples.contexts.contexts)('$canonical', ({ context, canonical: text, hex: bytes }) => {
    expect(canonical(context)).toBe(text)
    expect(contextBytes(context)).toEqual(hex(bytes))
  })
})

describe('3 and 4: values', () => {
  const values = [...examples.values.values, ...examples['value-types'].values]

  it.each(values)('$name', (value) => {
    const wire = valueBytes(value.text)
    expect(wire.toString('hex')).toBe(value.wire)
    const nonce = (value.salt ?? '') + value.iv
    const id = value.keyId.toString(16).padStart(8, '0')
    expect(`01${id}${nonce}${value.body}${value.tag}`).toBe(value.wire)
    expect(keyIdOf(wire)).toBe(value.keyId)
    expect(canonical(value.context)).toBe(value.aad)
    const plaintext = openValue(keyOf(value.keyId), value.algorithm, wire, contextBytes(value.context))
    expect(plaintext.toString('hex')).toBe(value.plaintext)
    expect(decodePlaintext(value.as, plaintext)).toEqual(value.value)
    const key = keys.find((one) => one.id === value.keyId)
    expect(key).toMatchObject({ keyring: value.keyring, algorithm: value.algorithm })
  })

  it('shows the key of a message under X-AES-256-GCM', () => {
    const extended = values.filter(({ subkey }) => subkey !== undefined)
    expect(extended).toHaveLength(1)
    for (const { keyId, salt = '', subkey } of extended) {
      expect(messageKey(keyOf(keyId), hex(salt)).toString('hex')).toBe(subkey)
    }
  })

  it('does not open under another context', () => {
    for (const { algorithm, context, keyId, text } of values) {
      const other = contextBytes({ ...context, row: '43' })
      expect(() => openValue(keyOf(keyId), algorithm, valueBytes(text), other)).toThrow()
    }
  })

  const { aad, keyring, rejected } = examples.rejected
  it.each(rejected)('refuses $why', ({ text }) => {
    const open = (): Buffer => {
      const wire = valueBytes(text)
      const key = keys.find((one) => one.id === keyIdOf(wire) && one.keyring === keyring)
      if (key === undefined) throw new Error('no key of this keyring')
      return openValue(hex(key.dataKey), key.algorithm, wire, Buffer.from(aad))
    }
    expect(open).toThrow()
  })
})

describe('5: search tokens', () => {
  const { field, keyId, keyring, tokens } = examples.tokens

  // Argon2 came with Node 24.7.
  const readable = tokens.filter(({ slow }) => slow === undefined || typeof crypto.argon2 === 'function')

  it.each(readable)(
    '$normaliser of $value',
    ({ bits, input, normalised, normaliser, slow, token, value }) => {
      expect(normalise(normaliser, value)).toBe(normalised)
      const plain = {
        field,
        keyring,
        normaliser,
        value: normalised,
        ...(bits === undefined ? {} : { bits: String(bits) }),
        ...(slow === undefined ? {} : { slow }),
      }
      const members = slow === undefined ? plain : { ...plain, value: stretched(keyOf(keyId), plain) }
      expect(canonical(members)).toBe(input)
      expect(searchToken(keyOf(keyId), keyId, members)).toBe(token)
    },
  )
})

describe('6: key records', () => {
  it('says how the keys of the examples were made', () => {
    for (const { dataKey, keyring, version } of keys) {
      const text = `keywright example: ${keyring} ${version}`
      expect(createHash('sha256').update(text).digest('hex')).toBe(dataKey)
    }
  })

  it('derives keys', () => {
    const { auditMacKey, commitment, dataKey, recordMacKey } = examples['derived-keys']
    expect(derive(hex(dataKey), 'commitment').toString('hex')).toBe(commitment)
    expect(derive(hex(dataKey), 'record-mac').toString('hex')).toBe(recordMacKey)
    expect(derive(hex(dataKey), 'audit-checkpoint').toString('hex')).toBe(auditMacKey)
  })

  const openRecord = (record: RecordExample): Buffer => {
    const [wrap] = JSON.parse(record.wraps) as Wrap[]
    if (wrap === undefined) throw new Error('no wrap')
    return unwrap(masterKeys, wrap, dataKeyContext(record))
  }

  it.each(examples.records.records)('opens the record of $keyring version $version', (record) => {
    expect(canonical(dataKeyContext(record))).toBe(record.wrapContext)
    const dataKey = openRecord(record)
    expect(dataKey).toEqual(keyOf(record.id))
    expect(derive(dataKey, 'commitment').toString('hex')).toBe(record.commitment)
    expect(recordMac(dataKey, record).toString('hex')).toBe(record.mac)
    const { algorithm, commitment, keyring } = record
    const fixed = { algorithm, commitment, keyring }
    const integers = { created_at: record.created_at, id: record.id, version: record.version }
    const decimal = Object.fromEntries(Object.entries(integers).map(([name, value]) => [name, String(value)]))
    expect(canonical({ ...fixed, ...decimal })).toBe(record.macInput)
  })

  it.each([{ id: 1 }, { keyring: 'pii/other' }, { version: 9 }])(
    'refuses a wrap in another record: %o',
    (change) => {
      const [record] = examples.records.records
      expect(() => openRecord({ ...(record as RecordExample), ...change })).toThrow()
    },
  )
})

describe('7: the file provider', () => {
  it('opens the key file', () => {
    const { kdf, ...file } = JSON.parse(keyFile.lines.join('\n'))
    expect(sealingKey({ key: hex(keyFile.rootKey) }, kdf).toString('hex')).toBe(keyFile.sealingKey)
    const { current, format, generation, id, v, versions } = file
    expect(JSON.stringify({ current, format, generation, id, kdf, v, versions })).toBe(keyFile.associatedData)
    expect(masterKeys.id).toBe(keyFile.masterKeyId)
    const listed = keyFile.masterKeys.map(({ key, version }) => [String(version), hex(key)])
    expect([...masterKeys.keys]).toEqual(listed)
  })

  const other: readonly {
    name: string
    file: string[]
    rootKey?: string
    password?: string
    wrapped: Wrap
    context: Record<string, string>
    payload: string
  }[] = JSON.parse(readFileSync(join(import.meta.dirname, '../providers/key-file-v1.json'), 'utf8'))
  const sealed = other.filter(({ password, rootKey }) => (password ?? rootKey) !== undefined)

  it('has files of every key derivation to read', () => {
    expect(sealed.map(({ file }) => /"name":"([^"]*)"/.exec(file.join('\n'))?.[1]).sort()).toEqual([
      'argon2id',
      'hkdf-sha256',
      'scrypt',
    ])
  })

  it.for(sealed)('opens the frozen key file: $name', ({ file, name, password, rootKey }, { skip }) => {
    const missing = withoutKdf(name)
    if (missing !== undefined) skip(missing)
    const root = password === undefined ? { key: Buffer.from(rootKey ?? '', 'base64') } : { password }
    const text = file.join('\n')
    expect(openKeyFile(text, root).keys.size).toBe(2)
    expect(() => openKeyFile(text.replace('"current": 2', '"current": 1'), root)).toThrow('damaged')
  })

  it('unwraps, and only with the right labels', () => {
    const { associatedData, context, masterKey, payload, wrap } = examples.wrap
    const entries = JSON.parse(context)
    expect(keyFile.masterKeys.find(({ version }) => version === 1)?.key).toBe(masterKey)
    expect(keyOfPayload(hex(payload), entries)).toEqual(unwrap(masterKeys, wrap, entries))
    const labels = `00000028${Buffer.from(wrap.masterKeyId).toString('hex')}0000000131`
    expect(associatedData).toBe(labels + Buffer.from(context).toString('hex'))
    expect(() => unwrap(masterKeys, { ...wrap, masterKeyVersion: '2' }, entries)).toThrow()
    expect(() => unwrap(masterKeys, wrap, { ...entries, key_version: '3' })).toThrow()
  })
})

describe('8: envelopes', () => {
  const { aad, blob, context, dataKey, plaintext, wrapContext, wrapped } = examples.envelope

  it('opens one', () => {
    expect(canonical(context)).toBe(aad)
    expect(openEnvelope(masterKeys, hex(blob), context).toString()).toBe(plaintext)
    expect(unwrap(masterKeys, wrapped, JSON.parse(wrapContext))).toEqual(hex(dataKey))
    expect(() => openEnvelope(masterKeys, hex(blob), { ...context, day: '2026-01-03' })).toThrow()
  })

  it('names the fields of the wrapped key', () => {
    const fields = readMessage(hex(blob).subarray(4, 4 + hex(blob).readUInt32BE(0)))
    const { algorithm, ciphertext, masterKeyId, masterKeyVersion, provider } = wrapped
    const texts = [provider, masterKeyId, masterKeyVersion, algorithm].map((text) => Buffer.from(text))
    const all = [...texts, Buffer.from(ciphertext, 'base64')]
    expect([...fields]).toEqual(all.map((value, index) => [index + 1, [value]]))
  })
})

describe('9: keysets', () => {
  const expected = {
    primary: 4275878552,
    keys: keys
      .filter(({ keyring }) => keyring === 'pii')
      .map(({ algorithm, dataKey, id }) => ({
        id,
        algorithm,
        status: 'ENABLED',
        prefix: 'TINK',
        key: hex(dataKey),
      })),
  }

  it('reads them in clear', () => {
    expect(readJsonKeyset(examples.keyset.json)).toEqual(expected)
    expect(readKeyset(Buffer.from(examples.keyset.binary, 'base64'))).toEqual(expected)
  })

  it('opens encrypted ones', () => {
    const { binary, json } = examples['encrypted-keyset']
    expect(openKeyset(masterKeys, { json })).toEqual(expected)
    expect(openKeyset(masterKeys, { binary: Buffer.from(binary, 'base64') })).toEqual(expected)
  })
})

describe('10: the audit log', () => {
  const whole = examples['audit-log']
  const pruned = examples['pruned-audit-log']

  it.each([
    ['a log', whole],
    ['a pruned log', pruned],
  ])('verifies %s', (_, { head, lines }) => {
    expect(checkAuditLog(lines, head)).toBe(true)
    expect(checkAuditLog(lines.slice(0, -1), head)).toBe(false)
    expect(checkAuditLog(lines.slice(1), head)).toBe(false)
    expect(checkAuditLog(lines.toReversed(), head)).toBe(false)
    const edited = lines.map((line) => line.replace('"actor":"example"', '"actor":"nobody"'))
    expect(checkAuditLog(edited, head)).toBe(false)
  })

  it('checks the MAC of the checkpoint', () => {
    const [checkpoint = ''] = pruned.lines
    expect(checkpointMac(checkpoint, keyOf(7))).toEqual({ input: pruned.macInput, ok: true })
    expect(checkpointMac(checkpoint.replace('older', 'younger'), keyOf(7)).ok).toBe(false)
  })
})
