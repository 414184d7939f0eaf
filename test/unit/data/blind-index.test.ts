/** Search tokens: equal values give equal tokens, per field, tenant and normaliser, and through a key rotation. */
import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NORMALISERS, type NormaliserName } from '../../../src/data/search/normalisers.ts'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World()
  kw = world.open()
})
afterEach(() => world.end())

describe('normalisers', () => {
  it.each<[NormaliserName, string, string]>([
    ['exact', 'e\u0301', '\u00e9'],
    ['exact', ' A ', ' A '],
    ['exact', 'ﬁ', 'ﬁ'],
    ['lower', '  ÄPFEL\u00a0', 'äpfel'],
    ['lower', 'ﬁ', 'fi'],
    ['lower', 'ＡＢＣ', 'abc'],
    ['lower', 'E\u0301', '\u00e9'],
    ['lower', '', ''],
    ['email', ' Ann.Lee+x@EXAMPLE.org ', 'ann.lee+x@example.org'],
    ['email', 'Straße@BÜCHER.example', 'straße@xn--bcher-kva.example'],
    ['email', 'straße@xn--bcher-kva.example', 'straße@xn--bcher-kva.example'],
    ['email', '"a@b"@Example.org', '"a@b"@example.org'],
    ['email', 'no-at-sign', 'no-at-sign'],
    ['email', 'a@not a domain', 'a@not a domain'],
    ['email', 'a@', 'a@'],
    ['digits', '+49 (171) 123-45 67', '491711234567'],
    ['digits', '４２', '42'],
    ['digits', 'abc', ''],
  ])('%s(%j) is %j', (name, value, expected) => {
    expect(NORMALISERS[name](value)).toBe(expected)
  })
})

describe('tokens', () => {
  it('have the documented form: PRF of canonical JSON under the key that stands in front', async () => {
    const token = await kw.hash('users.email', 'A@B.example', { normaliser: 'lower' })
    expect(token).toMatch(/^kwi1\.[\w-]{48}$/)
    const bytes = Buffer.from(token.slice(5), 'base64url')
    expect(bytes.length).toBe(36)
    expect(bytes.readUInt32BE(0)).toBe((await kw.keys.active('blind_index'))?.id)
    const keyset = JSON.parse((await kw.exportKeyset('blind_index', { clear: true })).toString()) as {
      key: { keyData: { value: string } }[]
    }
    const key = Buffer.from(keyset.key[0]?.keyData.value ?? '', 'base64').subarray(-32)
    const input = '{"field":"users.email","keyring":"blind_index","normaliser":"lower","value":"a@b.example"}'
    expect(bytes.subarray(4)).toEqual(createHmac('sha256', key).update(input).digest())
  })

  it('are equal for equal values, in both forms and in every process', async () => {
    const one = await kw.hash('users.email', ' Ann@B.example', { normaliser: 'email' })
    const other = world.open()
    expect(await other.hash('users.email', 'ann@b.EXAMPLE', { normaliser: 'email' })).toBe(one)
    expect(other.index('users.email', { normaliser: 'email' }).tokenSync('ann@b.example')).toBe(one)
  })

  it('differ by value, field, tenant and normaliser', async () => {
    const tokens = [
      await kw.hash('users.email', 'x'),
      await kw.hash('users.email', 'X'),
      await kw.hash('users.email', 'x '),
      await kw.hash('users.phone', 'x'),
      await kw.hash('users.email', 'x', { normaliser: 'lower' }),
      await kw.hash('users.email', 'x', { tenant: 't1' }),
      await kw.hash('users.email', 'x', { tenant: 't2' }),
      await kw.hash('users.email', ''),
      await kw.hash('users.email","value":"x', ''),
    ]
    const outputs = tokens.map((token) =>
      Buffer.from(token.slice(5), 'base64url').subarray(4).toString('hex'),
    )
    expect(new Set(outputs).size).toBe(tokens.length)
  })

  it.each<[string, unknown]>([
    ['a number', 1],
    ['null', null],
    ['undefined', undefined],
    ['a lone surrogate', '\ud800'],
    ['an object', {}],
  ])('of %s are refused', async (_, value) => {
    const index = kw.index('users.email')
    for (const run of [() => index.token(value as string), () => index.tokens(value as string)]) {
      await expectCode(run, 'ERR_VALUE_TYPE')
    }
    expect(() => index.tokenSync(value as string)).toThrow()
  })

  it('need a normaliser that is one, and a field', async () => {
    for (const normaliser of ['upper', 'constructor', '__proto__', '']) {
      await expectCode(
        () => kw.index('users.email', { normaliser: normaliser as 'exact' }),
        'ERR_ARGUMENT_INVALID',
      )
    }
    await expectCode(kw.hash(undefined as unknown as string, 'x'), 'ERR_CONTEXT_INVALID')
  })

  it('make no provider call once the key is open', async () => {
    const index = kw.index('users.email')
    await index.token('x')
    world.provider.resetCounts()
    for (let n = 0; n < 1000; n++) index.tokenSync(`value ${n}`)
    await index.tokens('x')
    expect(world.provider.calls).toBe(0)
  })
})

describe('matches', () => {
  it('tells whether a token was made from an equal value', async () => {
    const index = kw.index('users.email', { normaliser: 'email' })
    const token = await index.token('Ann@B.example')
    expect(await index.matches('ann@b.example', token)).toBe(true)
    expect(await index.matches('bob@b.example', token)).toBe(false)
    expect(await kw.index('users.phone', { normaliser: 'email' }).matches('ann@b.example', token)).toBe(false)
  })

  it('is false for every flipped bit of the output, an error for another key or no token', async () => {
    const index = kw.index('users.email')
    const token = await index.token('x')
    const bytes = Buffer.from(token.slice(5), 'base64url')
    for (let at = 4; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await index.matches('x', `kwi1.${changed.toString('base64url')}`)).toBe(false)
    }
    bytes.writeUInt32BE(12345, 0)
    await expectCode(index.matches('x', `kwi1.${bytes.toString('base64url')}`), 'ERR_KEY_UNKNOWN')
    const value = await kw.encrypt('pii', 'x')
    for (const bad of ['', 'x', 'kwi1.', `${token}A`, `${token}=`, value, 1, null]) {
      await expectCode(() => index.matches('x', bad as string), 'ERR_NOT_CIPHERTEXT')
    }
    const other = await kw.hash('users.email', 'x', { tenant: 't1' })
    await expectCode(index.matches('x', other), 'ERR_KEYRING_MISMATCH')
  })

  it('knows a token that another process made with a key it has not heard of', async () => {
    const index = kw.index('users.email')
    await index.token('x')
    const other = world.open()
    await other.keys.rotate('blind_index', { force: true, now: true })
    const token = await other.hash('users.email', 'x')
    expect(await index.matches('x', token)).toBe(true)
  })
})

describe('while the index key rotates', () => {
  it('tokens() gives the active one first, then those of every key that lives', async () => {
    const index = kw.index('users.email')
    const old = await index.token('x')
    await kw.keys.rotate('blind_index', { force: true, now: true })
    const current = await index.token('x')
    expect(current).not.toBe(old)
    expect(await index.tokens('x')).toEqual([current, old])
    expect(await index.matches('x', old)).toBe(true)
    const fresh = world.open()
    expect(await fresh.index('users.email').tokens('x')).toEqual([current, old])
  })

  it('leaves out a key that is suspended or destroyed', async () => {
    const index = kw.index('users.email')
    const old = await index.token('x')
    const id = (await kw.keys.active('blind_index'))?.id ?? 0
    await kw.keys.rotate('blind_index', { force: true, now: true })
    await kw.keys.suspend(id, 'test')
    expect(await index.tokens('x')).toEqual([await index.token('x')])
    await expectCode(index.matches('x', old), 'ERR_KEY_SUSPENDED')
  })

  it('does not rotate by itself, whatever its age', async () => {
    const token = await kw.hash('users.email', 'x')
    await world.clock.jump(3_000 * 86_400_000)
    expect(await kw.hash('users.email', 'x')).toBe(token)
  })
})
