/** Search tokens of a part of a value, with few bits, slow ones, and those of a normaliser of one's own. */
import crypto, { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NORMALISERS, type NormaliserName } from '../../../src/data/search/normalisers.ts'
import type { ErrorCode, HashOptions, IndexOptions, Keywright, RowsPlace } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

const bytesOf = (token: string): Buffer => Buffer.from(token.slice(5), 'base64url')
/** Cheap enough for a test; the recommended cost is the default. */
const SLOW = { memoryKiB: 7_168, passes: 1, parallelism: 1 }

async function indexKey(): Promise<Buffer> {
  const keyset = JSON.parse((await kw.exportKeyset('blind_index', { clear: true })).toString()) as {
    key: { keyData: { value: string } }[]
  }
  return Buffer.from(keyset.key[0]?.keyData.value ?? '', 'base64').subarray(-32)
}

describe('normalisers of parts', () => {
  it.each<[NormaliserName, string, string]>([
    ['email_domain', ' Ann@B\u00dcCHER.example', 'xn--bcher-kva.example'],
    ['email_domain', '"a@b"@Example.org', 'example.org'],
    ['email_domain', 'no address', ''],
    ['email_domain', 'a@', ''],
    ['last4', '4111 1111 1111 1234', '1234'],
    ['last4', '\uff14\uff12', '42'],
    ['last4', 'none', ''],
  ])('%s(%j) is %j', (name, value, expected) => {
    expect(NORMALISERS[name](value)).toBe(expected)
  })

  it('find rows by a part of the value', async () => {
    const domain = kw.index('users.email', { normaliser: 'email_domain' })
    const token = await domain.token('ann@example.org')
    expect(await domain.matches('bob@EXAMPLE.org', token)).toBe(true)
    expect(await domain.matches('ann@example.com', token)).toBe(false)
  })
})

describe('a normaliser of one\u2019s own', () => {
  const area = { name: 'postcode_area', normalise: (value: string) => value.toUpperCase().slice(0, 2) }

  it('is part of the token by its name', async () => {
    const index = kw.index('users.postcode', { normaliser: area })
    expect(await index.token('sw1a 1aa')).toBe(await index.token('SW9 9XX'))
    const renamed = kw.index('users.postcode', { normaliser: { ...area, name: 'other' } })
    expect(await renamed.token('sw1a 1aa')).not.toBe(await index.token('sw1a 1aa'))
  })

  it.each<[string, unknown]>([
    ['a built-in name', { ...area, name: 'email' }],
    ['an empty name', { ...area, name: '' }],
    ['a name of other characters', { ...area, name: 'Postcode' }],
    ['no function', { name: 'area' }],
    ['null', null],
  ])('is refused with %s', async (_, normaliser) => {
    await expectCode(() => kw.index('users.x', { normaliser } as HashOptions), 'ERR_ARGUMENT_INVALID')
  })

  it.each<[string, unknown]>([
    ['no string', 7],
    ['a lone surrogate', '\ud800'],
  ])('that gives %s makes no token', async (_, given) => {
    const index = kw.index('users.x', { normaliser: { name: 'odd', normalise: () => given as string } })
    await expectCode(index.token('x'), 'ERR_VALUE_TYPE')
  })
})

describe('tokens of few bits', () => {
  it.each([4, 8, 12, 15, 16, 31, 128, 255])(
    'keep %d bits, the rest of the last byte is zero',
    async (bits) => {
      const token = await kw.hash('users.zip', '12345', { bits })
      const output = bytesOf(token).subarray(4)
      expect(output.length).toBe(Math.ceil(bits / 8))
      const input = `{"bits":"${bits}","field":"users.zip","keyring":"blind_index","normaliser":"exact","value":"12345"}`
      const full = createHmac('sha256', await indexKey())
        .update(input)
        .digest()
      const kept = BigInt(`0x${full.toString('hex')}`) >> BigInt(256 - bits)
      expect(BigInt(`0x${output.toString('hex')}`) >> BigInt(output.length * 8 - bits)).toBe(kept)
      expect(BigInt(`0x${output.toString('hex')}`) % (1n << BigInt(output.length * 8 - bits))).toBe(0n)
      expect(await kw.index('users.zip', { bits }).matches('12345', token)).toBe(true)
    },
  )

  it('are no beginning of the full token, and do not match as one', async () => {
    const full = await kw.hash('users.zip', '12345')
    const cut = await kw.hash('users.zip', '12345', { bits: 16 })
    expect(bytesOf(full).subarray(4, 6).equals(bytesOf(cut).subarray(4))).toBe(false)
    expect(await kw.index('users.zip').matches('12345', cut)).toBe(false)
    expect(await kw.index('users.zip').matches('12345', full.slice(0, -4))).toBe(false)
  })

  it('are shared by as many values as said', async () => {
    const index = await kw.index('users.zip', { bits: 8 }).ready()
    const rows = 20_000
    expect(index.falsePositives(rows)).toBe(rows / 256)
    const wanted = index.tokenSync('value 0')
    let found = 0
    for (let n = 1; n <= rows; n++) if (index.tokenSync(`value ${n}`) === wanted) found++
    // Binomial with mean 78 and deviation 8.8: six deviations are one run in 10^9.
    expect(found).toBeGreaterThan(25)
    expect(found).toBeLessThan(131)
  })

  it('may be all 256, which changes nothing', async () => {
    expect(await kw.hash('users.zip', 'x', { bits: 256 })).toBe(await kw.hash('users.zip', 'x'))
  })

  it.each([0, 3, 257, 8.5, Number.NaN, '16'])('cannot be %s', async (bits) => {
    await expectCode(() => kw.index('users.zip', { bits } as HashOptions), 'ERR_ARGUMENT_INVALID')
  })
})

// Argon2 came with Node 24.7.
describe.skipIf(typeof crypto.argon2 !== 'function')('slow tokens', () => {
  it('are the PRF of an Argon2id hash whose salt comes from the index key', async () => {
    const token = await kw.hash('users.pin', '1234', { slow: SLOW })
    const key = await indexKey()
    const about = `"field":"users.pin","keyring":"blind_index","normaliser":"exact"`
    const slow = `"slow":"argon2id,m=7168,t=1,p=1"`
    const salt = createHmac('sha256', key).update(`{${about},"salt":"argon2id",${slow}}`).digest()
    const stretched = crypto.argon2Sync('argon2id', {
      message: Buffer.from('1234'),
      nonce: salt.subarray(0, 16),
      parallelism: 1,
      tagLength: 32,
      memory: 7_168,
      passes: 1,
    })
    const value = Buffer.from(stretched).toString('base64url')
    const expected = createHmac('sha256', key).update(`{${about},${slow},"value":"${value}"}`).digest()
    expect(bytesOf(token).subarray(4)).toEqual(expected)
  })

  it('are equal for equal values in both forms, and differ by cost', async () => {
    const index = kw.index('users.pin', { slow: SLOW })
    const token = await index.token('1234')
    expect(index.tokenSync('1234')).toBe(token)
    expect(await index.matches('1234', token)).toBe(true)
    expect(await index.matches('1235', token)).toBe(false)
    expect(await kw.hash('users.pin', '1234', { slow: { ...SLOW, passes: 2 } })).not.toBe(token)
    expect(await kw.hash('users.pin', '1234')).not.toBe(token)
    expect(await index.tokens('1234')).toEqual([token])
  })

  it.each([{ memoryKiB: 1 }, { memoryKiB: 2 ** 30 }, { passes: 0 }, { passes: 1.5 }, { parallelism: 64 }])(
    'refuse the cost %j',
    async (slow) => {
      await expectCode(() => kw.index('users.pin', { slow }), 'ERR_ARGUMENT_INVALID')
    },
  )
})

describe('while the index key rotates', () => {
  it('every process finds what any process stored, synchronously too', async () => {
    const options: HashOptions = { normaliser: 'email' }
    const before = await kw.hash('users.email', 'ann@b.example', options)
    const other = world.open()
    const reader = await other.index('users.email', options).ready()
    await kw.keys.rotate('blind_index', { force: true, now: true })
    await kw.ready()
    const after = await kw.hash('users.email', 'ann@b.example', options)
    expect(after).not.toBe(before)
    const tokens = (await kw.index('users.email', options).ready()).tokensSync('Ann@B.example')
    expect(tokens).toEqual([after, before])
    expect(await kw.index('users.email', options).tokens('Ann@B.example')).toEqual(tokens)
    expect(reader.tokensSync('ann@b.example')).toContain(before)
  })

  it('a tenant has tokens of its own', async () => {
    const one = await kw.index('users.email', { tenant: 't1' }).token('x')
    expect(await kw.index('users.email', { tenant: 't1' }).tokens('x')).toEqual([one])
    expect(await kw.index('users.email', { tenant: 't2' }).tokens('x')).not.toContain(one)
    expect(kw.index('users.email', { tenant: 't1' }).keyring).toBe('blind_index/t1')
  })
})

describe('a column of tokens that a place declares', () => {
  const place: RowsPlace = {
    kind: 'rows',
    name: 'people',
    table: 'users',
    columns: {
      email: {
        keyType: 'pii',
        indexes: [
          { column: 'email_token', normaliser: 'email' },
          { column: 'domain_token', normaliser: 'email_domain', bits: 12 },
          { column: 'odd_token', field: 'odd' },
        ],
      },
    },
    open: () => Promise.reject(new Error('nothing is read')),
  }

  it.each<[string, string, HashOptions]>([
    ['email_token', 'users.email', { normaliser: 'email' }],
    ['domain_token', 'users.email', { normaliser: 'email_domain', bits: 12 }],
    ['odd_token', 'odd', {}],
  ])('%s has its tokens made as it says', async (column, field, options) => {
    const declaring = world.open({ places: [place] })
    const token = await declaring.hash('users.email', 'Ada@Example.org', { column })
    expect(token).toBe(await kw.hash(field, 'Ada@Example.org', options))
    expect(await declaring.index('users.email', { column, tenant: 't1' }).token('x')).toBe(
      await kw.index(field, { ...options, tenant: 't1' }).token('x'),
    )
  })

  it('takes its own declaration as options, declared or not', async () => {
    const binding = { column: 'domain_token', normaliser: 'email_domain', bits: 12 } as const
    const token = await kw.hash('users.email', 'Ada@Example.org', { normaliser: 'email_domain', bits: 12 })
    for (const one of [kw, world.open({ places: [place] })])
      expect(await one.hash('users.email', 'Ada@Example.org', binding)).toBe(token)
  })

  it.each<[string, string, IndexOptions, ErrorCode]>([
    ['no such column', 'users.email', { column: 'other' }, 'ERR_SOURCE_UNKNOWN'],
    ['another field', 'users.phone', { column: 'email_token' }, 'ERR_SOURCE_UNKNOWN'],
    ['the name of the place', 'people.email', { column: 'email_token' }, 'ERR_SOURCE_UNKNOWN'],
    ['other bits', 'users.email', { column: 'domain_token', bits: 8 }, 'ERR_ARGUMENT_INVALID'],
    ['another rule', 'users.email', { column: 'email_token', normaliser: 'lower' }, 'ERR_ARGUMENT_INVALID'],
  ])('is refused with %s', async (_, field, options, code) => {
    const declaring = world.open({ places: [place] })
    await expectCode(() => declaring.index(field, options), code)
  })
})
