/** Examples of contexts, values, search tokens, and of what a reader refuses. */
import { createSecretKey } from 'node:crypto'
import { SUITES } from '../../src/crypto/aead.ts'
import { canonicalText } from '../../src/crypto/canonical.ts'
import { keyIdOf, parseCiphertext, toText } from '../../src/crypto/ciphertext.ts'
import { xaesSubkey } from '../../src/crypto/xaes.ts'
import { NORMALISERS, type NormaliserName } from '../../src/data/search/normalisers.ts'
import { costName, slowCost, stretch } from '../../src/data/search/slow-hash.ts'
import type { FieldType, HashOptions, JsonValue } from '../../src/index.ts'
import { dataKeyOf, KEYS, type SetUp } from './set-up.ts'

/** Contexts and their canonical text. */
export function contextExample() {
  const contexts = [
    {},
    { keyring: 'pii' },
    { table: 'users', row: '42', keyring: 'pii', column: 'email' },
    { keyring: 'pii/tenant-42', column: 'note', as: 'json' },
    { b: 'line\nfeed, "quotes", \\ and /', 'a.1': 'tab\t, bell\u0007, delete\u007f', a_1: 'é € 😀 \u2028' },
  ]
  return {
    example: 'contexts',
    contexts: contexts.map((context) => ({
      context,
      canonical: canonicalText(context),
      hex: Buffer.from(canonicalText(context)).toString('hex'),
    })),
  }
}

interface Case {
  readonly name: string
  readonly as: FieldType
  readonly value: JsonValue
  readonly context: Readonly<Record<string, string>>
  readonly ciphertext: string
}

/** The parts of a ciphertext, spelled out. */
function spellOut({ name, as, value, context, ciphertext }: Case) {
  const wire = parseCiphertext(ciphertext)
  const keyId = keyIdOf(wire)
  const key = KEYS.find(({ id }) => id === keyId)
  if (key === undefined || key.algorithm === 'HMAC-SHA-256') throw new Error(`no key for ${name}`)
  const aad = canonicalText(context)
  const secret = createSecretKey(dataKeyOf(key))
  const plaintext = SUITES[key.algorithm].open(secret, wire, Buffer.from(aad))
  const isExtended = key.algorithm === 'X-AES-256-GCM'
  const ivAt = isExtended ? 17 : 5
  const salt = wire.subarray(5, ivAt)
  return {
    name,
    keyring: key.keyring,
    keyId,
    algorithm: key.algorithm,
    context,
    aad,
    as,
    value,
    plaintext: plaintext.toString('hex'),
    ...(isExtended
      ? { salt: salt.toString('hex'), subkey: xaesSubkey(secret, salt).export().toString('hex') }
      : {}),
    iv: wire.subarray(ivAt, ivAt + 12).toString('hex'),
    body: wire.subarray(ivAt + 12, -16).toString('hex'),
    tag: wire.subarray(-16).toString('hex'),
    wire: wire.toString('hex'),
    text: ciphertext,
  }
}

type Values = { readonly example: string; readonly values: readonly ReturnType<typeof spellOut>[] }

/** Values by the ways to encrypt them, and values by their type. */
export async function valueExamples(setUp: SetUp): Promise<Values[]> {
  const ways = [...(await keyringCases(setUp)), ...(await fieldCases(setUp)), ...(await recordCases(setUp))]
  return [
    { example: 'values', values: ways.map(spellOut) },
    { example: 'value-types', values: (await typeCases(setUp)).map(spellOut) },
  ]
}

async function keyringCases({ keywright }: SetUp): Promise<Case[]> {
  const first = KEYS[0]
  const old = SUITES['AES-256-GCM'].seal(
    createSecretKey(dataKeyOf({ keyring: 'pii', version: 1 })),
    first?.id ?? 0,
    'written before the rotation',
    Buffer.from('{"keyring":"pii"}'),
  )
  return [
    {
      name: 'a value of a keyring',
      as: 'string',
      value: 'ada@example.com',
      context: { keyring: 'pii' },
      ciphertext: await keywright.encrypt('pii', 'ada@example.com'),
    },
    {
      name: 'with a context of its own',
      as: 'json',
      value: { invited: true },
      context: { keyring: 'pii', purpose: 'invitation' },
      ciphertext: await keywright.encrypt('pii', { invited: true }, { context: { purpose: 'invitation' } }),
    },
    {
      name: 'under an older key',
      as: 'string',
      value: 'written before the rotation',
      context: { keyring: 'pii' },
      ciphertext: toText(old),
    },
  ]
}

async function fieldCases({ keywright }: SetUp): Promise<Case[]> {
  const email = keywright.field('pii', { table: 'users', column: 'email' })
  const note = keywright.field('pii', { table: 'users', column: 'note', tenant: 'tenant-42' })
  const amount = keywright.field('financial_data', { table: 'invoices', column: 'amount', as: 'number' })
  return [
    {
      name: 'a field, bound to its row',
      as: 'string',
      value: 'ada@example.com',
      context: { column: 'email', keyring: 'pii', row: '42', table: 'users' },
      ciphertext: await email.encrypt('ada@example.com', { row: '42' }),
    },
    {
      name: 'a field of a tenant',
      as: 'string',
      value: 'Grüße 😀',
      context: { column: 'note', keyring: 'pii/tenant-42', table: 'users' },
      ciphertext: await note.encrypt('Grüße 😀'),
    },
    {
      name: 'a field under X-AES-256-GCM',
      as: 'number',
      value: 1234.5,
      context: { column: 'amount', keyring: 'financial_data', table: 'invoices' },
      ciphertext: await amount.encrypt(1234.5),
    },
  ]
}

async function recordCases({ keywright }: SetUp): Promise<Case[]> {
  const options = { table: 'users', row: 'id', fields: { 'contact.phone': 'pii', age: 'pii' } }
  const record = { id: 42, age: 36, contact: { phone: '+49 30 1234' } }
  const sealed = await keywright.encryptRecord(record, options)
  return [
    {
      name: 'a string of a record',
      as: 'string',
      value: record.contact.phone,
      context: { column: 'contact.phone', keyring: 'pii', row: '42', table: 'users' },
      ciphertext: sealed.contact.phone,
    },
    {
      name: 'a value of a record that is no string, its type not declared',
      as: 'json',
      value: record.age,
      context: { as: 'json', column: 'age', keyring: 'pii', row: '42', table: 'users' },
      ciphertext: String(sealed.age),
    },
  ]
}

async function typeCases({ keywright }: SetUp): Promise<Case[]> {
  const seal = async <K extends FieldType>(as: K, value: unknown, shown: JsonValue): Promise<Case> => {
    const field = keywright.field('pii', { table: 't', column: as, as })
    return {
      name: as,
      as,
      value: shown,
      context: { column: as, keyring: 'pii', table: 't' },
      ciphertext: await field.encrypt(value as never),
    }
  }
  return [
    await seal('string', '', ''),
    await seal('bytes', Buffer.from('00ff', 'hex'), '00ff'),
    await seal('number', 1e21, 1e21),
    await seal('bigint', -(2n ** 64n), String(-(2n ** 64n))),
    await seal('boolean', true, true),
    await seal('date', new Date(Date.UTC(2026, 1, 3)), '2026-02-03T00:00:00.000Z'),
    await seal('json', { b: [1, null], a: 'x' }, { b: [1, null], a: 'x' }),
  ]
}

/** Ciphertexts that a reader refuses, made out of a good one, with the code of the library. */
export function rejectedExample(examples: readonly Values[]) {
  const good = examples[0]?.values[0]
  if (good === undefined) throw new Error('no value to change')
  const bytes = (change: (wire: Buffer) => void): string => {
    const wire = Buffer.from(good.wire, 'hex')
    change(wire)
    return toText(wire)
  }
  const changed = (at: number): string => bytes((wire) => wire.writeUInt8(wire.readUInt8(at) ^ 1, at))
  const text = good.text
  const rejected = [
    ['the empty string', '', 'ERR_CIPHERTEXT_EMPTY'],
    ['no prefix', text.slice(4), 'ERR_NOT_CIPHERTEXT'],
    ['a prefix in upper case', `KW1.${text.slice(4)}`, 'ERR_NOT_CIPHERTEXT'],
    ['white space before it', ` ${text}`, 'ERR_NOT_CIPHERTEXT'],
    ['a line feed after it', `${text}\n`, 'ERR_CIPHERTEXT_MALFORMED'],
    ['padding', `${text.slice(0, -1)}==`, 'ERR_CIPHERTEXT_MALFORMED'],
    ['a length that no bytes have', `${text.slice(0, 5 + 4 * 12)}`, 'ERR_CIPHERTEXT_MALFORMED'],
    ['a character of standard base64', `${text.slice(0, 20)}+${text.slice(21)}`, 'ERR_CIPHERTEXT_MALFORMED'],
    ['bits that no byte uses', `${toText(Buffer.alloc(34, 1)).slice(0, -1)}R`, 'ERR_CIPHERTEXT_MALFORMED'],
    ['nothing after the prefix', 'kw1.', 'ERR_CIPHERTEXT_MALFORMED'],
    ['32 bytes', toText(Buffer.alloc(32, 1)), 'ERR_CIPHERTEXT_MALFORMED'],
    ['another start byte', bytes((wire) => wire.writeUInt8(2, 0)), 'ERR_CIPHERTEXT_MALFORMED'],
    ['an unknown key id', bytes((wire) => wire.writeUInt32BE(0x01020305, 1)), 'ERR_KEY_UNKNOWN'],
    [
      'the id of another key of the keyring',
      bytes((wire) => wire.writeUInt32BE(0x01020304, 1)),
      'ERR_DECRYPTION_FAILED',
    ],
    [
      'the id of a key of another keyring',
      bytes((wire) => wire.writeUInt32BE(0x7f000001, 1)),
      'ERR_KEYRING_MISMATCH',
    ],
    ['one bit of the IV', changed(5), 'ERR_DECRYPTION_FAILED'],
    ['one bit of the ciphertext', changed(17), 'ERR_DECRYPTION_FAILED'],
    ['one bit of the tag', changed(good.wire.length / 2 - 1), 'ERR_DECRYPTION_FAILED'],
    [
      'the last byte is missing',
      toText(Buffer.from(good.wire, 'hex').subarray(0, -1)),
      'ERR_DECRYPTION_FAILED',
    ],
  ] as const
  return {
    example: 'rejected',
    keyring: good.keyring,
    aad: good.aad,
    rejected: rejected.map(([why, text, code]) => ({ why, text, code })),
  }
}

/** Search tokens, by normaliser, of few bits, and slow. */
export async function tokenExample({ keywright }: SetUp) {
  const rows: readonly (readonly [NormaliserName, string, Pick<HashOptions, 'bits' | 'slow'>?])[] = [
    ['exact', 'Ada'],
    ['exact', 'e\u0301'],
    ['lower', '  ÉCOLE \u00a0'],
    ['email', 'Straße@BÜCHER.example'],
    ['email', 'ada+news@Example.COM'],
    ['email', 'no address'],
    ['digits', '+49 (0)30 １２３-4'],
    ['email_domain', 'Ada@BÜCHER.example'],
    ['last4', '4111 1111 1111 1234'],
    ['exact', 'Ada', { bits: 12 }],
    ['lower', 'Ada', { bits: 16 }],
    ['digits', '1234', { slow: true }],
  ]
  const key = KEYS.find(({ keyring }) => keyring === 'blind_index')
  const tokens = []
  for (const [normaliser, value, options = {}] of rows) {
    const normalised = NORMALISERS[normaliser](value)
    const cost = slowCost(options.slow)
    const stated = {
      ...(options.bits === undefined ? {} : { bits: options.bits }),
      ...(cost === undefined ? {} : { slow: costName(cost) }),
    }
    const about = {
      ...Object.fromEntries(Object.entries(stated).map(([name, said]) => [name, String(said)])),
      field: 'users.email',
      keyring: 'blind_index',
      normaliser,
    }
    const stretched =
      cost && key ? await stretch(createSecretKey(dataKeyOf(key)), about, normalised, cost) : normalised
    const input = canonicalText({ ...about, value: stretched })
    const token = await keywright.hash('users.email', value, { normaliser, ...options })
    tokens.push({ normaliser, value, ...stated, normalised, input, token })
  }
  return { example: 'tokens', keyring: 'blind_index', keyId: key?.id ?? 0, field: 'users.email', tokens }
}
