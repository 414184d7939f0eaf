/** Re-encryption in place, and files that the providers alone open. */
import { chmodSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeRecovery, encodeRecovery } from '../../../../src/data/files/recovery.ts'
import { recoverFile, recoverFolder, recoverStream } from '../../../../src/index.ts'
import { TestProvider } from '../../../kit/provider.ts'
import { policyWith } from '../../../kit/world.ts'
import { codeOf, EDGES, FilesPlace } from './kit.ts'

const PII = { keyType: 'pii' } as const
const CONTEXT = { context: { purpose: 'archive' } }
let place: FilesPlace
beforeEach(() => {
  place = new FilesPlace()
})
afterEach(() => place.end())

const rotate = (): Promise<unknown> => place.kw.keys.rotate('pii', { force: true, now: true })
const seal = (bytes: number | Uint8Array, more: object = {}) =>
  place.kw.files.encryptFile(place.write('in', bytes), place.path('sealed'), { ...PII, ...CONTEXT, ...more })

describe('re-encrypting a file', () => {
  it.each(EDGES)('of %i bytes leaves content, mode and time', async (bytes) => {
    const { keyId } = await seal(bytes)
    chmodSync(place.path('sealed'), 0o640)
    utimesSync(place.path('sealed'), 1_600_000_000, 1_600_000_000)
    await rotate()
    const made = await place.kw.files.reencryptFile(place.path('sealed'), CONTEXT)
    expect(made).toMatchObject({ outcome: 'reencrypted', keyring: 'pii', bytes })
    expect(made.keyId).not.toBe(keyId)
    expect((await place.kw.files.inspectFile(place.path('sealed'))).keyId).toBe(made.keyId)
    const { mode, mtimeMs } = statSync(place.path('sealed'))
    expect([mode & 0o777, mtimeMs]).toEqual([0o640, 1_600_000_000_000])
    await place.kw.files.decryptFile(place.path('sealed'), place.path('out'), CONTEXT)
    expect(place.read('out')).toEqual(place.read('in'))
    expect(place.names).toEqual(['in', 'out', 'sealed'])
  })

  it('that is under the active key changes nothing', async () => {
    await seal(10)
    const before = place.read('sealed')
    expect(await place.kw.files.reencryptFile(place.path('sealed'), CONTEXT)).toMatchObject({
      outcome: 'current',
    })
    expect(place.read('sealed')).toEqual(before)
  })

  it('keeps compression and the wrapped key', async () => {
    await seal(Buffer.alloc(100_000), { compression: 'zstd', recoverable: true })
    await rotate()
    await place.kw.files.reencryptFile(place.path('sealed'), CONTEXT)
    expect(await place.kw.files.inspectFile(place.path('sealed'))).toMatchObject({
      compression: 'zstd',
      recoverable: true,
    })
    await recoverFile(place.path('sealed'), place.path('out'), {
      provider: place.world.provider.client(),
      ...CONTEXT,
    })
    expect(place.read('out')).toEqual(place.read('in'))
  })

  it.each([
    ['under another context', async () => ({}), 'ERR_DECRYPTION_FAILED'],
    ['of another key type', async () => ({ keyType: 'session', ...CONTEXT }), 'ERR_KEYRING_MISMATCH'],
    ['when it is stopped', async () => ({ ...CONTEXT, signal: AbortSignal.abort() }), 'ERR_ABORTED'],
    [
      'when it changes meanwhile',
      async () => ({ ...CONTEXT, onProgress: () => writeFileSync(place.path('sealed'), 'newer') }),
      'ERR_FILE_CHANGED',
    ],
  ])('%s leaves it as it is', async (_, make, code) => {
    await seal(100_000)
    await rotate()
    const options = await make()
    const before = place.read('sealed')
    expect(await codeOf(place.kw.files.reencryptFile(place.path('sealed'), options))).toBe(code)
    const after = place.read('sealed')
    expect(after).toEqual(code === 'ERR_FILE_CHANGED' ? Buffer.from('newer') : before)
    expect(place.names).toEqual(['in', 'sealed'])
  })

  it('does not follow a link, which it would replace', async () => {
    await seal(10)
    await rotate()
    symlinkSync('sealed', place.path('link'))
    expect(await codeOf(place.kw.files.reencryptFile(place.path('link'), CONTEXT))).toBe(
      'ERR_FILE_UNREADABLE',
    )
  })
})

describe('a file with the wrapped key in its header', () => {
  const provider = () => ({ provider: place.world.provider.client(), ...CONTEXT })

  it('opens with the provider alone: as file, stream and folder', async () => {
    await seal(200_000, { recoverable: true })
    await place.world.store.client().close?.()
    place.world.store.down = true
    await recoverFile(place.path('sealed'), place.path('out'), provider())
    expect(place.read('out')).toEqual(place.read('in'))
    const stream = Readable.from([place.read('sealed')]).pipe(await recoverStream(provider()))
    expect(await buffer(stream)).toEqual(place.read('in'))
    place.world.store.down = false
    await place.kw.files.encryptFolder(place.folder, `${place.folder}-kwf`, {
      ...PII,
      ...CONTEXT,
      recoverable: true,
      names: 'encrypt',
    })
    place.world.store.down = true
    const report = await recoverFolder(`${place.folder}-kwf`, `${place.folder}-out`, provider())
    expect(report).toMatchObject({ done: 2, failed: 0 })
    expect(readdirSync(`${place.folder}-out`).sort()).toEqual(['in', 'out'])
  })

  it('opens when its key was destroyed, of which the option warns', async () => {
    const { keyId } = await seal(100, { recoverable: true })
    await rotate()
    place.world.clock.advance(40 * 86_400_000)
    await place.kw.keys.destroy(keyId, { override: { reason: 'test' } })
    expect(await codeOf(place.kw.files.decryptFile(place.path('sealed'), place.path('out'), CONTEXT))).toBe(
      'ERR_KEY_DESTROYED',
    )
    await recoverFile(place.path('sealed'), place.path('out'), provider())
    expect(place.read('out')).toEqual(place.read('in'))
  })

  it('names any provider that wraps the key', async () => {
    await place.end()
    const second = new TestProvider('second')
    const policy = policyWith({ pii: { furtherProviders: ['second'] } })
    place = new FilesPlace({ policy }, { providers: [second] })
    await place.kw.files.encryptFile(place.write('in', 10), place.path('sealed'), {
      ...PII,
      recoverable: true,
    })
    await recoverFile(place.path('sealed'), place.path('out'), { provider: second.client() })
    place.world.provider.mode = 'down'
    const both = [place.world.provider.client(), second.client()]
    await recoverFile(place.path('sealed'), place.path('out2'), { provider: both })
    expect(place.read('out2')).toEqual(place.read('in'))
  })

  it('opens with no other provider, under no other context, and not without the wrapped key', async () => {
    await seal(10, { recoverable: true })
    const out = place.path('out')
    const other = { provider: new TestProvider('other').client(), ...CONTEXT }
    expect(await codeOf(recoverFile(place.path('sealed'), out, other))).toBe('ERR_PROVIDER_UNKNOWN')
    const { provider: client } = provider()
    expect(await codeOf(recoverFile(place.path('sealed'), out, { provider: client }))).toBe(
      'ERR_DECRYPTION_FAILED',
    )
    const same = { provider: new TestProvider().client(), ...CONTEXT }
    expect(await codeOf(recoverFile(place.path('sealed'), out, same))).not.toBe('')
    await seal(10, { force: true })
    await expect(recoverFile(place.path('sealed'), out, provider())).rejects.toMatchObject({
      code: 'ERR_KEY_UNKNOWN',
      hint: expect.stringContaining('recoverable'),
    })
    expect(place.names).toEqual(['in', 'sealed'])
  })

  it('carries it in one form only', () => {
    const wrap = {
      provider: 'p',
      masterKeyId: 'm',
      masterKeyVersion: '1',
      algorithm: 'a',
      ciphertext: Uint8Array.of(1),
    }
    const recovery = {
      keyring: 'pii/acme',
      version: 3,
      algorithm: 'AES-256-GCM',
      wraps: [wrap, wrap],
    } as const
    const bytes = encodeRecovery(recovery)
    expect(decodeRecovery(bytes)).toEqual(recovery)
    const broken: Uint8Array[] = [
      Buffer.concat([bytes, bytes.subarray(0, 10)]),
      Buffer.concat([bytes, Buffer.of(0x28, 1)]), // an unknown field
      bytes.subarray(0, -1),
      encodeRecovery({ ...recovery, keyring: '../pii' }),
      encodeRecovery({ ...recovery, version: 0 }),
      encodeRecovery({ ...recovery, wraps: [] }),
      encodeRecovery({ ...recovery, algorithm: 'HMAC-SHA-256' as never }),
    ]
    for (const bad of broken)
      expect(() => decodeRecovery(bad)).toThrow(expect.objectContaining({ code: 'ERR_FILE_DAMAGED' }))
  })
})
