/** Paths that fail with data in hand: values, ciphertexts, records, arguments in the wrong order. */
import memoryProvider from '../../providers/memory.ts'
import { type FieldType, type JsonValue, unseal } from '../../src/index.ts'
import type { FailingPath } from './failing-path.ts'
import { SECRETS } from './lab.ts'

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

export const DATA_PATHS: readonly FailingPath[] = [...ciphertexts, ...values, ...mixedUp, ...records]
