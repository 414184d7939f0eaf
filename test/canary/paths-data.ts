/** Paths that fail with data in hand: values, ciphertexts, records, keysets, audit events, clients that throw. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import memoryProvider from '../../providers/memory.ts'
import { encodeKeyset, type TinkKey } from '../../src/crypto/tink-keyset.ts'
import { encodeKeysetJson } from '../../src/crypto/tink-keyset-json.ts'
import {
  type AuditEvent,
  createKeywright,
  type FieldType,
  type JsonValue,
  type KeyProvider,
  seal,
  unseal,
} from '../../src/index.ts'
import memoryStore from '../../stores/memory.ts'
import { type Lab, SECRETS } from './lab.ts'
import type { FailingPath } from './paths-settings.ts'

const text = SECRETS.text.value
const bytes = SECRETS.bytes.value
const number = Number(SECRETS.number.value)
const place = SECRETS.context.value

/** A ciphertext with one byte changed. */
function tampered(ciphertext: string, at: number): string {
  const wire = Buffer.from(ciphertext.slice('kw1.'.length), 'base64url')
  const index = at < 0 ? wire.length + at : at
  wire[index] = (wire[index] ?? 0) ^ 1
  return `kw1.${wire.toString('base64url')}`
}

const ciphertexts: FailingPath[] = [
  ...[0, 1, 4, 5, 16, 17, -17, -1].map(
    (at): FailingPath => [
      `ciphertext changed at byte ${at}`,
      (lab) => lab.keywright.decrypt(tampered(lab.ciphertext, at)),
    ],
  ),
  ['ciphertext cut', (lab) => lab.keywright.decrypt(lab.ciphertext.slice(0, 60))],
  ['ciphertext cut to nothing', (lab) => lab.keywright.decrypt(lab.ciphertext.slice(0, 30))],
  ['ciphertext with a character that does not belong', (lab) => lab.keywright.decrypt(`${lab.ciphertext}!`)],
  ['another context', (lab) => lab.keywright.decrypt(lab.ciphertext, { context: { owner: place } })],
  ['another keyring', (lab) => lab.keywright.decrypt(lab.ciphertext, { keyType: 'session' })],
  ['another tenant', (lab) => lab.keywright.decrypt(lab.ciphertext, { keyType: 'pii', tenant: 'acme' })],
  ['plain text in place of a ciphertext', (lab) => lab.keywright.decrypt(text)],
  ['plain text with our prefix', (lab) => lab.keywright.decrypt(`kw1.${text}`)],
  [
    'plain text, base64 with our prefix',
    (lab) => lab.keywright.decrypt(`kw1.${bytes.toString('base64url')}`),
  ],
  ['plain bytes in place of a ciphertext', (lab) => lab.keywright.decrypt(bytes)],
  ['a number in place of a ciphertext', (lab) => lab.keywright.decrypt(number as unknown as string)],
  ['plain text, synchronous', (lab) => lab.keywright.decryptSync(text)],
  ['changed ciphertext, synchronous', (lab) => lab.keywright.decryptSync(tampered(lab.ciphertext, -1))],
  ['plain text as search token', (lab) => lab.keywright.index('users.email').matches('x', text)],
  [
    'plain text as envelope',
    (lab) => unseal(memoryProvider({}), Buffer.from(text), { owner: place }).then(() => lab),
  ],
]

const TYPES: readonly FieldType[] = ['number', 'bigint', 'boolean', 'date', 'json']

const values: FailingPath[] = [
  ...TYPES.map(
    (as): FailingPath => [`text read as ${as}`, (lab) => lab.keywright.decrypt(lab.ciphertext, { as })],
  ),
  [
    'bytes read as text',
    async (lab) => lab.keywright.decrypt(await lab.keywright.encrypt('pii', Buffer.from([0xff, ...bytes]))),
  ],
  ...([...TYPES, 'bytes'] as const)
    .filter((as) => as !== 'json')
    .map(
      (as): FailingPath => [
        `text encrypted as ${as}`,
        (lab) => lab.keywright.field('pii', { as }).encrypt(text as never),
      ],
    ),
  ['a number encrypted as text', (lab) => lab.keywright.field('pii').encrypt(number as never)],
  ['text with a lone surrogate', (lab) => lab.keywright.encrypt('pii', `${text}\ud800`)],
  ['JSON with a lone surrogate', (lab) => lab.keywright.encrypt('pii', { deep: [`${text}\udc00`] })],
  ['JSON with a bigint', (lab) => lab.keywright.encrypt('pii', { text, number: 1n } as unknown as JsonValue)],
  ['JSON with NaN', (lab) => lab.keywright.encrypt('pii', { text, number: Number.NaN })],
  [
    'JSON with a Date',
    (lab) => lab.keywright.encrypt('pii', { text, at: new Date() } as unknown as JsonValue),
  ],
  ['JSON with bytes', (lab) => lab.keywright.encrypt('pii', { text, bytes } as unknown as JsonValue)],
  [
    'JSON that holds itself',
    (lab) => {
      const cycle: Record<string, unknown> = { text }
      cycle['self'] = cycle
      return lab.keywright.encrypt('pii', cycle as JsonValue)
    },
  ],
  ['undefined with text', (lab) => lab.keywright.encrypt('pii', [text, undefined] as unknown as JsonValue)],
  ['synchronous before the keyring is loaded', (lab) => lab.keywright.encryptSync('api_keys', text)],
  ['search token of a number', (lab) => lab.keywright.hash('users.phone', number as unknown as string)],
  ['search token of text with a lone surrogate', (lab) => lab.keywright.hash('users.email', `${text}\ud800`)],
]

/** Arguments in the wrong order, as a tired person passes them. */
const mixedUp: FailingPath[] = [
  ['value and key type', (lab) => lab.keywright.encrypt(text, 'pii')],
  ['value and key type of a field', (lab) => lab.keywright.field(text)],
  ['value as tenant', (lab) => lab.keywright.encrypt('pii', 'x', { tenant: text })],
  [
    'value as name of a context',
    (lab) => lab.keywright.encrypt('pii', 'x', { context: { [text]: 'owner' } }),
  ],
  ['value as context', (lab) => lab.keywright.encrypt('pii', 'x', { context: text as never })],
  [
    'number as context value',
    (lab) => lab.keywright.encrypt('pii', 'x', { context: { a: number as never } }),
  ],
  [
    'context value with a lone surrogate',
    (lab) => lab.keywright.encrypt('pii', text, { context: { a: `${place}\ud800` } }),
  ],
  ['reserved context name', (lab) => lab.keywright.encrypt('pii', text, { context: { row: place } })],
  ['value as type', (lab) => lab.keywright.decrypt(lab.ciphertext, { as: text as never })],
  ['value as normaliser', (lab) => lab.keywright.hash('users.email', 'x', { normaliser: text as never })],
  ['value as row', (lab) => lab.keywright.field('users.email').encrypt('x', { row: number as never })],
  ['value as key id', (lab) => lab.keywright.keys.suspend(text as never, 'x')],
  ['value as provider', (lab) => lab.keywright.exportKeyset('pii', { provider: text })],
  ['value as provider of a rotation', (lab) => lab.keywright.keys.rotateMaster(text)],
]

class Person {
  readonly email = text
}

const fields = { 'a.secret': 'pii', list: { keyType: 'pii', as: 'number' } } as const

const records: FailingPath[] = [
  ['record that was never encrypted', (lab) => lab.keywright.decryptRecord({ email: text })],
  [
    'nested record that was never encrypted',
    (lab) => lab.keywright.decryptRecord({ a: { secret: text } }, { fields }),
  ],
  ['record with another type', (lab) => lab.keywright.encryptRecord({ list: [text] }, { fields })],
  ['record with a bigint', (lab) => lab.keywright.encryptRecord({ email: { text, n: 1n } })],
  ['record with a lone surrogate', (lab) => lab.keywright.encryptRecord({ email: `${text}\ud800` })],
  ['record that is an instance', (lab) => lab.keywright.encryptRecord(new Person() as never)],
  ['record that is text', (lab) => lab.keywright.encryptRecord(text as never)],
  [
    'record with an unusable row',
    (lab) => lab.keywright.encryptRecord({ email: text, id: { text } }, { row: 'id' }),
  ],
  [
    'field with an unknown key type',
    (lab) => lab.keywright.encryptRecord({ a: text }, { fields: { a: text } }),
  ],
  [
    'record of another row',
    async (lab) => {
      const record = await lab.keywright.encryptRecord({ id: '1', email: text }, { row: 'id' })
      return lab.keywright.decryptRecord({ ...record, id: place }, { row: 'id' })
    },
  ],
  ['record whose names are data', (lab) => lab.keywright.decryptRecord({ [text]: { email: 'plain' } })],
  [
    'record that holds itself',
    (lab) => {
      const cycle: Record<string, unknown> = { email: text }
      cycle['self'] = cycle
      return lab.keywright.encryptRecord(cycle)
    },
  ],
]

const KEYSET_KEY: TinkKey = {
  id: 77,
  status: 'ENABLED',
  prefix: 'TINK',
  algorithm: 'AES-256-GCM',
  key: SECRETS.importedKey.value,
}
const clear = encodeKeysetJson({ primaryKeyId: 77, keys: [KEYSET_KEY] })
const binary = encodeKeyset({ primaryKeyId: 77, keys: [KEYSET_KEY] })

const imported = (lab: Lab, keyset: string | Uint8Array, provider?: string): Promise<unknown> =>
  lab.keywright.importKeyset('pii', Buffer.from(keyset), {
    tenant: 'imports',
    ...(provider === undefined ? {} : { provider }),
  })

const keysets: FailingPath[] = [
  ['keyset, JSON cut', (lab) => imported(lab, clear.slice(0, -10))],
  ['keyset, JSON cut in the key', (lab) => imported(lab, clear.slice(0, clear.indexOf('"value"') + 40))],
  ['keyset, key too short', (lab) => imported(lab, clear.replace(/("value": ?".{20}).{4}/, '$1'))],
  ['keyset, key no base64', (lab) => imported(lab, clear.replace(/("value": ?".{20})./, '$1!'))],
  ['keyset, member twice', (lab) => imported(lab, clear.replace(/("value": ?"[^"]*")/, '$1, $1'))],
  ['keyset, unknown member', (lab) => imported(lab, clear.replace(/"value"/, '"vaule"'))],
  ['keyset, no primary', (lab) => imported(lab, clear.replace(/("primaryKeyId": ?)77/, '$178'))],
  ['keyset, trailing text', (lab) => imported(lab, `${clear} ${clear}`)],
  [
    'keyset, another algorithm',
    (lab) => lab.keywright.importKeyset('tokens', Buffer.from(clear), { tenant: 'x' }),
  ],
  ['keyset, a keyring that exists', (lab) => lab.keywright.importKeyset('pii', Buffer.from(clear))],
  ['keyset, clear where an encrypted one is due', (lab) => imported(lab, clear, 'file')],
  ['binary keyset cut', (lab) => imported(lab, binary.subarray(0, -5))],
  [
    'binary keyset with more behind',
    (lab) => imported(lab, Buffer.concat([binary, SECRETS.importedKey.value])),
  ],
  ['binary keyset, wrong length', (lab) => imported(lab, Buffer.from(binary.with(1, 0x7f)))],
  ['key bytes in place of a keyset', (lab) => imported(lab, SECRETS.importedKey.value)],
  [
    'key as base64 in place of a keyset',
    (lab) => imported(lab, SECRETS.importedKey.value.toString('base64')),
  ],
  [
    'encrypted keyset, changed',
    async (lab) => {
      const sealed = await lab.keywright.exportKeyset('pii', { provider: 'file', format: 'binary' })
      return imported(lab, Buffer.from(sealed.with(sealed.length - 40, 1)), 'file')
    },
  ],
]

const said = SECRETS.text.value
const EVENTS: Readonly<Record<string, unknown>> = {
  name: { event: said },
  member: { event: 'data.encrypt', [said]: 1 },
  'value of an unknown member': { event: 'data.encrypt', value: said },
  'name of a detail': { event: 'data.encrypt', details: { [said]: 1 } },
  'detail that is an object': { event: 'data.encrypt', details: { value: { deep: said } } },
  'reason that is too long': { event: 'data.encrypt', reason: said.repeat(40) },
  'reason with a lone surrogate': { event: 'data.encrypt', reason: `${said}\ud800` },
  'key id that is text': { event: 'data.encrypt', keyId: said },
  'text in place of an event': said,
}

const auditEvents: FailingPath[] = Object.entries(EVENTS).map(([what, event]) => [
  `audit event: ${what}`,
  (lab) => lab.keywright.audit.append(event as AuditEvent),
])

/** What clients throw holds requests, headers, tokens. */
class ClientError extends Error {
  readonly request = { headers: { authorization: SECRETS.foreign.value } }
}
const thrown = (): Error => new ClientError(`401 for token ${SECRETS.foreign.value}`)

function brokenProvider(member: keyof KeyProvider): KeyProvider {
  const fail = (): never => {
    throw thrown()
  }
  return { ...memoryProvider({}), [member]: fail }
}

const clients: FailingPath[] = [
  ...(['wrapKey', 'unwrapKey'] as const).map(
    (member): FailingPath => [
      `a provider whose ${member} throws`,
      async () => {
        await using keywright = createKeywright({ provider: brokenProvider(member), store: memoryStore() })
        await keywright.encrypt('pii', text)
      },
    ],
  ),
  [
    'a provider whose rotateMasterKey throws',
    async () => {
      await using keywright = createKeywright({
        provider: brokenProvider('rotateMasterKey'),
        store: memoryStore(),
      })
      await keywright.keys.rotateMaster('memory')
    },
  ],
  ['an envelope under a provider that throws', () => seal(brokenProvider('wrapKey'), bytes, {})],
  [
    'an audit sink that throws',
    async () => {
      const audit = {
        exclusive: () => Promise.reject(thrown()),
        read: () => {
          throw thrown()
        },
        head: () => Promise.reject(thrown()),
      }
      await using keywright = createKeywright({ provider: memoryProvider({}), store: memoryStore(), audit })
      await keywright.encrypt('pii', text)
    },
  ],
]

const management: FailingPath[] = [
  ['revoke without a reason', async (lab) => lab.keywright.keys.revoke((await firstKey(lab)).id, ' ')],
  ['destroy the active key', async (lab) => lab.keywright.keys.destroy((await firstKey(lab)).id)],
  [
    'the key file is gone',
    async (lab) => {
      const folder = lab.newFolder()
      await lab.useNew({ path: join(folder, 'master.keys') })
      rmSync(join(folder, 'master.keys'))
      await lab.useNew({ path: join(folder, 'master.keys') })
    },
  ],
]

const firstKey = async (lab: Lab) => {
  const key = await lab.keywright.keys.active('pii')
  if (key === undefined) throw new Error('the lab has no key')
  return key
}

export const DATA_PATHS: readonly FailingPath[] = [
  ...ciphertexts,
  ...values,
  ...mixedUp,
  ...records,
  ...keysets,
  ...auditEvents,
  ...clients,
  ...management,
]
