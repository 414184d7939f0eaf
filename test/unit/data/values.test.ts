/** Whole values: kw.encrypt, kw.decrypt, keyring(), in both forms. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseCiphertext } from '../../../src/crypto/ciphertext.ts'
import { inspect, isEncrypted, type Keywright, seal } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { policyWith, World } from '../../kit/world.ts'

let world: World
let kw: Keywright

beforeEach(() => {
  world = new World({ policy: policyWith({ vault: { algorithm: 'X-AES-256-GCM' } }) })
  kw = world.open()
})
afterEach(() => world.end())

describe.each(['pii', 'vault'])('%s', (keyType) => {
  it('round trips strings, bytes and JSON', async () => {
    for (const text of ['', 'x', '🔑'.repeat(1000)]) {
      expect(await kw.decrypt(await kw.encrypt(keyType, text))).toBe(text)
      expect(kw.decryptSync(kw.encryptSync(keyType, text))).toBe(text)
    }
    const bytes = randomBytes(1000)
    expect(await kw.decrypt(await kw.encrypt(keyType, bytes), { as: 'bytes' })).toEqual(bytes)
    const json = { a: [1, null, { b: false }] }
    expect(await kw.decrypt(await kw.encrypt(keyType, json), { as: 'json' })).toEqual(json)
  })

  it('refuses every flipped byte', async () => {
    const wire = parseCiphertext(await kw.encrypt(keyType, 'x', { context: { a: 'b' } }))
    for (let at = 0; at < wire.length; at++) {
      const changed = Buffer.from(wire)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      const error = await expectCode(
        kw.decrypt(changed, { context: { a: 'b' } }),
        at === 0 ? 'ERR_NOT_CIPHERTEXT' : at < 5 ? 'ERR_KEY_UNKNOWN' : 'ERR_DECRYPTION_FAILED',
      )
      expect(error.cause).toBeUndefined()
    }
  })

  it('refuses every cut and a longer one', async () => {
    const wire = parseCiphertext(await kw.encrypt(keyType, 'x'))
    for (let length = 1; length < wire.length; length++) {
      const code = length < 33 ? 'ERR_CIPHERTEXT_MALFORMED' : 'ERR_DECRYPTION_FAILED'
      await expectCode(kw.decrypt(wire.subarray(0, length)), code)
    }
    await expectCode(kw.decrypt(Buffer.concat([wire, Buffer.alloc(1)])), 'ERR_DECRYPTION_FAILED')
  })

  it('is bound to its context', async () => {
    const sealed = await kw.encrypt(keyType, 'x', { context: { a: 'b' } })
    for (const context of [{}, { a: 'c' }, { a: 'b', c: 'd' }, { b: 'a' }]) {
      await expectCode(kw.decrypt(sealed, { context }), 'ERR_DECRYPTION_FAILED')
      await expectCode(() => kw.decryptSync(sealed, { context }), 'ERR_DECRYPTION_FAILED')
    }
    expect(await kw.decrypt(sealed, { context: { a: 'b' } })).toBe('x')
  })
})

describe('whose ciphertext it is', () => {
  it('refuses another key type, when one is named', async () => {
    const sealed = await kw.encrypt('pii', 'x')
    await expectCode(kw.decrypt(sealed, { keyType: 'vault' }), 'ERR_KEYRING_MISMATCH')
    expect(await kw.decrypt(sealed, { keyType: 'pii' })).toBe('x')
    const vault = await kw.keyring('vault')
    await expectCode(vault.decrypt(sealed), 'ERR_KEYRING_MISMATCH')
  })

  it('says the same in the synchronous forms, when the other keyring is loaded', async () => {
    await kw.ready(['pii', 'vault'])
    const sealed = kw.encryptSync('pii', 'x')
    await expectCode(() => kw.decryptSync(sealed, { keyType: 'vault' }), 'ERR_KEYRING_MISMATCH')
    const vault = await kw.keyring('vault')
    await expectCode(() => vault.decryptSync(sealed), 'ERR_KEYRING_MISMATCH')
    const field = await kw.field('vault').ready()
    await expectCode(() => field.decryptSync(sealed), 'ERR_KEYRING_MISMATCH')
  })

  it('does not know a key of another installation', async () => {
    const other = new World()
    const sealed = await other.open().encrypt('pii', 'x')
    await expectCode(kw.decrypt(sealed), 'ERR_KEY_UNKNOWN')
    await expectCode(kw.decrypt(sealed, { keyType: 'pii' }), 'ERR_KEY_UNKNOWN')
    await expectCode((await kw.keyring('pii')).decrypt(sealed), 'ERR_KEY_UNKNOWN')
    await expectCode(kw.field('users.email').decrypt(sealed), 'ERR_KEY_UNKNOWN')
    await other.end()
  })
})

describe('the synchronous forms load nothing', () => {
  it('say that the keyring is not ready', async () => {
    const sealed = await world.open().encrypt('pii', 'x')
    const fresh = world.open()
    world.store.resetCounts()
    world.provider.resetCounts()
    for (const run of [
      () => fresh.encryptSync('pii', 'x'),
      () => fresh.decryptSync(sealed),
      () => fresh.decryptSync(sealed, { keyType: 'pii' }),
      () => fresh.field('pii').encryptSync('x'),
      () => fresh.field('pii').decryptSync(sealed),
      () => fresh.records({ fields: { a: 'pii' } }).encryptSync({ a: 'x' }),
      () => fresh.index('users.email').tokenSync('x'),
    ]) {
      const error = await expectCode(run, 'ERR_KEY_NOT_LOADED')
      expect(error.hint).toMatch(/await/)
    }
    expect([world.store.reads, world.provider.calls]).toEqual([0, 0])
    await fresh.ready(['pii'])
    expect(fresh.decryptSync(sealed)).toBe('x')
  })

  it('name an older key that is not open, and open it by ready({ all: true })', async () => {
    const first = world.open()
    const sealed = await first.encrypt('pii', 'x')
    await first.keys.rotate('pii', { force: true, now: true })
    const fresh = world.open()
    await fresh.ready(['pii'])
    await expectCode(() => fresh.decryptSync(sealed), 'ERR_KEY_NOT_LOADED')
    const ring = await fresh.keyring('pii')
    await expectCode(() => ring.decryptSync(sealed), 'ERR_KEY_NOT_LOADED')
    await fresh.ready(['pii'], { all: true })
    expect(fresh.decryptSync(sealed)).toBe('x')
    expect(ring.decryptSync(sealed)).toBe('x')
  })

  it('say so of a key nobody knows', async () => {
    await kw.ready(['pii'])
    const unknown = Buffer.concat([Buffer.from([1, 9, 9, 9, 9]), Buffer.alloc(40)])
    await expectCode(() => kw.decryptSync(unknown), 'ERR_KEY_NOT_LOADED')
    await expectCode(() => kw.decryptSync(unknown, { keyType: 'pii' }), 'ERR_KEY_NOT_LOADED')
  })
})

describe('inspect and isEncrypted', () => {
  it('tell the outside of values, tokens and envelopes', async () => {
    const sealed = await kw.encrypt('pii', 'four')
    const keyId = (await kw.keys.active('pii'))?.id
    expect(inspect(sealed)).toEqual({ kind: 'value', form: 'text', keyId, bytes: 37, plaintextBytes: 4 })
    expect(inspect(parseCiphertext(sealed))).toMatchObject({ kind: 'value', form: 'binary', keyId })
    const token = await kw.hash('users.email', 'a')
    const tokenId = (await kw.keys.active('blind_index'))?.id
    expect(inspect(token)).toEqual({ kind: 'token', keyId: tokenId })
    const blob = await seal(world.provider.client(), Buffer.from('x'), {})
    expect(inspect(blob)).toMatchObject({ kind: 'envelope', provider: 'memory', bytes: blob.length })
    expect([isEncrypted(sealed), isEncrypted(parseCiphertext(sealed))]).toEqual([true, true])
    expect([isEncrypted(token), isEncrypted(blob)]).toEqual([false, false])
  })

  it.each([
    null,
    undefined,
    1,
    {},
    [],
    '',
    'x',
    'kw1.',
    new Uint8Array(0),
    new Uint8Array(40),
    true,
    Symbol('x'),
  ])('isEncrypted(%o) is false', (value) => {
    expect(isEncrypted(value)).toBe(false)
  })

  it.each<
    [
      string,
      unknown,
      'ERR_CIPHERTEXT_EMPTY' | 'ERR_NOT_CIPHERTEXT' | 'ERR_CIPHERTEXT_MALFORMED' | 'ERR_VALUE_TYPE',
    ]
  >([
    ['an empty text', '', 'ERR_CIPHERTEXT_EMPTY'],
    ['empty bytes', new Uint8Array(0), 'ERR_CIPHERTEXT_EMPTY'],
    ['text', 'hello', 'ERR_NOT_CIPHERTEXT'],
    ['a cut token', 'kwi1.AAAA', 'ERR_NOT_CIPHERTEXT'],
    ['zeros', new Uint8Array(64), 'ERR_CIPHERTEXT_MALFORMED'],
    [
      'an envelope that promises more than there is',
      Buffer.from([0, 0, 15, 255, 1]),
      'ERR_CIPHERTEXT_MALFORMED',
    ],
    ['null', null, 'ERR_VALUE_TYPE'],
    ['a number', 1, 'ERR_VALUE_TYPE'],
  ])('inspect refuses %s', async (_, value, code) => {
    await expectCode(() => inspect(value as string), code)
  })
})
