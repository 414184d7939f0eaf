/** Keysets: a keyring leaves as a Tink keyset and comes back elsewhere with the same ids, so old ciphertexts open. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestProvider } from '../../kit/provider.ts'
import { MemorySink } from '../../kit/sink.ts'
import { policyWith, World } from '../../kit/world.ts'

const POLICY = policyWith({ vault: { algorithm: 'X-AES-256-GCM' } })
const shared = new TestProvider('shared')
const sink = { here: new MemorySink(), there: new MemorySink() }
let here: World
let there: World
let source: Keywright
let target: Keywright

beforeEach(() => {
  sink.here = new MemorySink()
  sink.there = new MemorySink()
  here = new World({ policy: POLICY, audit: sink.here })
  there = new World({ policy: POLICY, audit: sink.there })
  source = here.open({ providers: [shared] })
  target = there.open({ providers: [shared] })
})
afterEach(async () => {
  await here.end()
  await there.end()
})

/** Ciphertexts under three versions of a keyring. */
async function threeVersions(keyType: string): Promise<string[]> {
  const made: string[] = []
  for (let version = 1; version <= 3; version++) {
    if (version > 1) await source.keys.rotate(keyType, { force: true, now: true })
    made.push(await source.encrypt(keyType, `value ${version}`))
  }
  return made
}

describe.each(['pii', 'vault'])('%s', (keyType) => {
  it.each([
    ['json', 'in clear', {}],
    ['binary', 'in clear', {}],
    ['json', 'under a provider', { provider: 'shared' }],
    ['binary', 'under a provider', { provider: 'shared' }],
  ] as const)('exported as %s %s opens old ciphertexts elsewhere', async (format, _, protection) => {
    const sealed = await threeVersions(keyType)
    const clear = !('provider' in protection)
    const keyset = await source.exportKeyset(keyType, { format, ...protection, ...(clear ? { clear } : {}) })
    expect(format === 'json').toBe(keyset[0] === 0x7b)
    const keys = await target.importKeyset(keyType, keyset, protection)
    const ids = (await source.keys.list({ keyType })).map((key) => key.id).sort()
    expect(keys.map((key) => key.id).sort()).toEqual(ids)
    expect(keys.map((key) => key.state)).toEqual(['deactivated', 'deactivated', 'active'])
    for (const [index, text] of sealed.entries())
      expect(await target.decrypt(text)).toBe(`value ${index + 1}`)
    const fresh = await target.encrypt(keyType, 'new')
    expect(await source.decrypt(fresh)).toBe('new')
  })
})

describe('export', () => {
  it('in clear holds the keys, encrypted it does not', async () => {
    await source.encrypt('pii', 'x')
    const clear = await source.exportKeyset('pii', { clear: true })
    const encoded = (JSON.parse(clear.toString()) as { key: { keyData: { value: string } }[] }).key[0]
      ?.keyData.value
    const key = Buffer.from(encoded ?? '', 'base64').subarray(-32)
    expect(key.length).toBe(32)
    for (const format of ['json', 'binary'] as const) {
      const sealed = await source.exportKeyset('pii', { provider: 'shared', format })
      for (const spelling of [key, Buffer.from(key.toString('base64')), Buffer.from(encoded ?? '')]) {
        expect(sealed.includes(spelling)).toBe(false)
      }
    }
  })

  it('is told how the keys are to be protected, one way', async () => {
    await source.encrypt('pii', 'x')
    for (const options of [{}, { clear: false }, { clear: true, provider: 'shared' }]) {
      await expectCode(source.exportKeyset('pii', options), 'ERR_ARGUMENT_INVALID')
    }
    await expectCode(source.exportKeyset('pii', { provider: 'nosuch' }), 'ERR_PROVIDER_UNKNOWN')
    expect(sink.here.events).not.toContain('keyset.import')
  })

  it('needs a key that encrypts', async () => {
    await expectCode(source.exportKeyset('pii', { clear: true }), 'ERR_KEYRING_UNKNOWN')
    expect((await source.keys.list()).length).toBe(0)
    await source.encrypt('pii', 'x')
    await source.keys.suspend((await source.keys.active('pii'))?.id ?? 0, 'test')
    await expectCode(source.exportKeyset('pii', { clear: true }), 'ERR_KEYRING_UNKNOWN')
  })

  it('is in the audit log before any key is unwrapped, and not done without', async () => {
    await source.encrypt('pii', 'x')
    const seen: number[] = []
    here.provider.resetCounts()
    sink.here.written = () => {
      seen.push(here.provider.unwraps)
    }
    await source.exportKeyset('pii', { clear: true, reason: 'move' })
    expect(seen).toEqual([0])
    expect(sink.here.records.at(-1)).toMatchObject({ event: 'keyset.export', keyring: 'pii', reason: 'move' })
    sink.here.failing = true
    here.provider.resetCounts()
    await expectCode(source.exportKeyset('pii', { clear: true }), 'ERR_AUDIT_FAILED')
    expect(here.provider.calls).toBe(0)
  })

  it('leaves destroyed keys out and marks suspended ones as disabled', async () => {
    await threeVersions('pii')
    const [first, second] = await source.keys.list({ keyType: 'pii' })
    await source.keys.suspend(first?.id ?? 0, 'test')
    await here.clock.jump(31 * 86_400_000)
    await source.keys.destroy(second?.id ?? 0, { override: { reason: 'test' } })
    const keyset = JSON.parse((await source.exportKeyset('pii', { clear: true })).toString()) as {
      key: { keyId: number; status: string }[]
    }
    const statuses = new Map(keyset.key.map((key) => [key.keyId, key.status]))
    expect(statuses.get(first?.id ?? 0)).toBe('DISABLED')
    expect(statuses.has(second?.id ?? 0)).toBe(false)
    await target.importKeyset('pii', Buffer.from(JSON.stringify(keyset)))
    expect((await target.keys.describe(first?.id ?? 0)).state).toBe('suspended')
  })
})

describe('import', () => {
  const clear = () => source.exportKeyset('pii', { clear: true })

  it('reaches this process at once, keyring loaded or not', async () => {
    const sealed = await source.encrypt('pii', 'x')
    const field = target.field('pii')
    await expectCode(target.decrypt(sealed), 'ERR_KEY_UNKNOWN')
    await expectCode(field.decrypt(sealed), 'ERR_KEY_UNKNOWN')
    await target.importKeyset('pii', await clear())
    expect(await field.decrypt(sealed)).toBe('x')
    expect(await target.decrypt(sealed)).toBe('x')
  })

  it('takes a keyring that is empty, and no other', async () => {
    await source.encrypt('pii', 'x')
    const own = await target.encrypt('pii', 'mine')
    await expectCode(target.importKeyset('pii', await clear()), 'ERR_STORE_CONFLICT')
    expect(await target.decrypt(own)).toBe('mine')
    expect((await target.keys.list()).length).toBe(1)
  })

  it('takes no id that another keyring has', async () => {
    await source.encrypt('pii', 'x')
    const keyset = await clear()
    await target.importKeyset('pii', keyset)
    await expectCode(target.importKeyset('pii', keyset, { tenant: 't1' }), 'ERR_STORE_CONFLICT')
    expect(await target.keys.list({ keyring: 'pii/t1' })).toEqual([])
  })

  it('takes keys of the algorithm that the key type has, and no other', async () => {
    await source.encrypt('pii', 'x')
    const keyset = await clear()
    await expectCode(target.importKeyset('vault', keyset), 'ERR_KEYSET_INVALID')
    await expectCode(target.importKeyset('blind_index', keyset), 'ERR_KEYSET_INVALID')
    expect(await target.keys.list()).toEqual([])
    expect(sink.there.events).toEqual([])
  })

  it('takes search keys over, so that tokens match', async () => {
    const token = await source.hash('users.email', 'x')
    await target.importKeyset('blind_index', await source.exportKeyset('blind_index', { clear: true }))
    expect(await target.hash('users.email', 'x')).toBe(token)
  })

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('hello')],
    ['an empty object', Buffer.from('{}')],
    ['broken JSON', Buffer.from('{"primaryKeyId":1,')],
    ['random bytes', createHash('sha512').update('x').digest()],
    ['an array', Buffer.from('[]')],
  ])('refuses %s', async (_, bytes) => {
    await expectCode(target.importKeyset('pii', bytes), 'ERR_KEYSET_INVALID')
    await expectCode(
      target.importKeyset('pii', bytes, { provider: 'shared' }),
      'ERR_KEYSET_INVALID',
      'ERR_CIPHERTEXT_EMPTY',
      'ERR_CIPHERTEXT_MALFORMED',
    )
  })

  it('does not mistake an encrypted keyset for one in clear, or the other way round', async () => {
    await source.encrypt('pii', 'x')
    const sealed = await source.exportKeyset('pii', { provider: 'shared' })
    await expectCode(target.importKeyset('pii', sealed), 'ERR_KEYSET_INVALID')
    await expectCode(target.importKeyset('pii', await clear(), { provider: 'shared' }), 'ERR_KEYSET_INVALID')
    await expectCode(
      target.importKeyset('pii', sealed, { provider: 'memory' }),
      'ERR_PROVIDER_UNKNOWN',
      'ERR_UNWRAP_FAILED',
    )
  })

  it('refuses an encrypted keyset that was changed', async () => {
    await source.encrypt('pii', 'x')
    const sealed = await source.exportKeyset('pii', { provider: 'shared', format: 'binary' })
    for (let at = 0; at < sealed.length; at += 7) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      const error = await target.importKeyset('pii', changed, { provider: 'shared' }).then(
        () => undefined,
        (failure: unknown) => failure,
      )
      // The keyset info beside the ciphertext is not secret and not used: only what matters may not change.
      if (error === undefined) break
    }
    const stored = await target.keys.list()
    if (stored.length > 0)
      expect(stored.map((k) => k.id)).toEqual((await source.keys.list()).map((k) => k.id))
  })

  it('has no effect when the audit log fails', async () => {
    await source.encrypt('pii', 'x')
    const keyset = await clear()
    sink.there.failing = true
    await expectCode(target.importKeyset('pii', keyset), 'ERR_AUDIT_FAILED')
    expect(await target.keys.list()).toEqual([])
  })

  it('that was interrupted can be run again to the end', async () => {
    const sealed = await threeVersions('pii')
    const keyset = await clear()
    let inserts = 0
    there.store.before = (call) => {
      if (call === 'insert' && ++inserts === 2) there.store.down = true
    }
    await expectCode(target.importKeyset('pii', keyset), 'ERR_STORE_BUSY')
    there.store.before = undefined
    there.store.down = false
    await target.importKeyset('pii', keyset)
    for (const [index, text] of sealed.entries())
      expect(await target.decrypt(text)).toBe(`value ${index + 1}`)
    expect((await target.keys.list()).length).toBe(3)
  })
})
