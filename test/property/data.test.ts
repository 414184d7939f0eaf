/** What must hold for all values: they come back as they were, as their type, alone and within records. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codecFor, type FieldType } from '../../src/data/codecs.ts'
import { isEncrypted, type Keywright, type PlainRecord } from '../../src/index.ts'
import { World } from '../kit/world.ts'

const wellFormed = () => fc.string({ unit: 'binary' })
const finite = () => fc.double({ noNaN: true, noDefaultInfinity: true })
/** JSON has no -0: JSON.stringify writes it as 0. */
const jsonNumber = () => finite().map((value) => (value === 0 ? 0 : value))
const memberName = () =>
  fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.constantFrom('__proto__', 'constructor', 'toString', ''),
  )

/** Objects are made by defineProperty, so that `__proto__` is a member like any other. */
function objectOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const [name, value] of entries) {
    Object.defineProperty(made, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return made
}

const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(wellFormed(), jsonNumber(), fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.array(fc.tuple(memberName(), tie('json')), { maxLength: 4 }).map(objectOf),
  ),
}))

describe('codecs', () => {
  const values: { readonly [K in FieldType]: fc.Arbitrary<unknown> } = {
    string: wellFormed(),
    number: fc.oneof(finite(), fc.maxSafeInteger(), fc.constantFrom(-0, 0, Number.MIN_VALUE)),
    bigint: fc.bigInt(),
    boolean: fc.boolean(),
    date: fc.date({ noInvalidDate: true }),
    json,
    bytes: fc.uint8Array().map((raw) => Buffer.from(raw)),
  }

  it.each(Object.keys(values) as FieldType[])('%s: decode is the reverse of encode', (as) => {
    const codec = codecFor(as)
    fc.assert(
      fc.property(values[as], (value) => {
        const back = codec.decode(Buffer.from(codec.encode(value as never) as string))
        expect(isDeepStrictEqual(back, value)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it.each(Object.keys(values) as FieldType[])(
    '%s: what it reads of random bytes, it writes as the same value',
    (as) => {
      const codec = codecFor(as)
      fc.assert(
        fc.property(
          fc.oneof(
            fc.uint8Array({ maxLength: 12 }),
            fc.json({ maxDepth: 1 }).map((t) => Buffer.from(t)),
          ),
          (raw) => {
            let value: unknown
            try {
              value = codec.decode(Buffer.from(raw))
            } catch (error) {
              expect(error).toMatchObject({ code: 'ERR_VALUE_TYPE' })
              return
            }
            if (typeof value === 'number' && !Number.isFinite(value)) return
            const again = codec.decode(Buffer.from(codec.encode(value as never) as string))
            if (as !== 'json') expect(again).toStrictEqual(value)
          },
        ),
        { numRuns: 500 },
      )
    },
  )
})

describe('records', () => {
  let world: World
  let kw: Keywright
  beforeAll(() => {
    world = new World()
    kw = world.open()
  })
  afterAll(() => world.end())

  /** Names that the default policy claims, in several spellings, and names that it does not. */
  const claimed = [
    'email',
    'phoneNumber',
    'SSN',
    'first-name',
    'account_number',
    'apiKey',
    'IBAN',
    'homeAddress',
  ]
  const fieldName = fc.oneof(
    fc.constantFrom(...claimed),
    fc.constantFrom('id', 'note', 'items', '__proto__', 'constructor', 'a.b'),
  )
  const { record } = fc.letrec<{ record: Record<string, unknown>; value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      json,
      fc.constantFrom(null, undefined),
      tie('record'),
      fc.array(tie('record'), { maxLength: 3 }),
    ),
    record: fc
      .uniqueArray(fc.tuple(fieldName, tie('value')), { maxLength: 6, selector: ([name]) => name })
      .map((entries) => objectOf(entries as [string, unknown][])),
  }))

  /** Whether JSON expresses it: an undeclared value of a claimed field must. */
  const holdsUndefined = (value: unknown): boolean =>
    value === undefined ||
    (typeof value === 'object' && value !== null && Object.values(value).some(holdsUndefined))

  const isClaimed = (name: string): boolean => claimed.includes(name)

  function encryptable(value: Record<string, unknown>): boolean {
    return Object.entries(value).every(([name, inner]) => {
      if (isClaimed(name)) return inner === undefined || inner === null || !holdsUndefined(inner)
      if (Array.isArray(inner))
        return inner.every((e) => typeof e !== 'object' || e === null || encryptable(e as never))
      return typeof inner !== 'object' || inner === null || encryptable(inner as Record<string, unknown>)
    })
  }

  /** Every claimed value is a ciphertext or null or undefined. */
  function expectNothingInClear(value: unknown): void {
    if (typeof value !== 'object' || value === null) return
    for (const [name, inner] of Object.entries(value)) {
      if (isClaimed(name)) expect(inner === null || inner === undefined || isEncrypted(inner)).toBe(true)
      else expectNothingInClear(inner)
    }
  }

  it('come back deeply equal, nothing claimed is left in clear, nothing is added or lost', async () => {
    const codec = kw.records({ table: 'users' })
    await kw.ready(['pii', 'financial_data', 'api_keys'])
    await fc.assert(
      fc.asyncProperty(record.filter(encryptable), async (value: PlainRecord) => {
        const sealed = await codec.encrypt(value)
        expectNothingInClear(sealed)
        expect(isDeepStrictEqual(await codec.decrypt(sealed), value)).toBe(true)
        expect(isDeepStrictEqual(codec.decryptSync(codec.encryptSync(value)), value)).toBe(true)
        expect(({} as Record<string, unknown>)['email']).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })
})
