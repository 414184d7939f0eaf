/** What does not open: damage, another context, keys that may not; with one face where a key was tried, and no output. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemorySink } from '../../../kit/sink.ts'
import { policyWith } from '../../../kit/world.ts'
import { codeOf, FilesPlace } from './kit.ts'

const PII = { keyType: 'pii' } as const
const CONTEXT = { context: { purpose: 'archive' } }
let place: FilesPlace
beforeEach(() => {
  place = new FilesPlace()
})
afterEach(() => place.end())

/** Header 12, start 40; blocks of 64 KiB from behind the header. */
const BLOCK = 65_536
const flip = (at: number) => (sealed: Buffer) => {
  const changed = Buffer.from(sealed)
  changed[at < 0 ? changed.length + at : at] = (changed[at < 0 ? changed.length + at : at] ?? 0) ^ 1
  return changed
}
const cut = (length: number) => (sealed: Buffer) => sealed.subarray(0, length)
const swapped = (sealed: Buffer): Buffer => {
  const at = 12 + BLOCK
  const [head, one] = [sealed.subarray(0, at), sealed.subarray(at, at + BLOCK)]
  const two = sealed.subarray(at + BLOCK, at + 2 * BLOCK)
  return Buffer.concat([head, two, one, sealed.subarray(at + 2 * BLOCK)])
}

describe('a file that was changed', () => {
  it.each<[string, (sealed: Buffer) => Buffer, string]>([
    ['emptied', cut(0), 'ERR_CIPHERTEXT_EMPTY'],
    ['cut in its magic', cut(2), 'ERR_NOT_CIPHERTEXT'],
    ['cut in its header', cut(11), 'ERR_FILE_DAMAGED'],
    ['cut behind its header', cut(12), 'ERR_DECRYPTION_FAILED'],
    ['cut in its start', cut(40), 'ERR_DECRYPTION_FAILED'],
    ['cut behind its start', cut(52), 'ERR_DECRYPTION_FAILED'],
    ['cut in the first segment', cut(1000), 'ERR_DECRYPTION_FAILED'],
    ['cut at the end of a segment', cut(12 + 2 * BLOCK), 'ERR_DECRYPTION_FAILED'],
    ['cut behind a segment', cut(12 + 2 * BLOCK + 1), 'ERR_DECRYPTION_FAILED'],
    ['cut in the middle', cut(150_000), 'ERR_DECRYPTION_FAILED'],
    ['cut by one byte', (sealed) => sealed.subarray(0, -1), 'ERR_DECRYPTION_FAILED'],
    ['continued', (sealed) => Buffer.concat([sealed, Buffer.alloc(1)]), 'ERR_DECRYPTION_FAILED'],
    ['given two segments in the other order', swapped, 'ERR_DECRYPTION_FAILED'],
    ['changed in its magic', flip(3), 'ERR_FILE_DAMAGED'],
    ['changed in its length', flip(5), 'ERR_FILE_DAMAGED'],
    ['changed in its key id', flip(9), 'ERR_KEY_UNKNOWN'],
    ['changed in an unknown flag', flip(10), 'ERR_FILE_DAMAGED'],
    ['marked as compressed', flip(11), 'ERR_DECRYPTION_FAILED'],
    ['changed in the length of its start', flip(12), 'ERR_DECRYPTION_FAILED'],
    ['changed in its salt', flip(13), 'ERR_DECRYPTION_FAILED'],
    ['changed in its nonce prefix', flip(51), 'ERR_DECRYPTION_FAILED'],
    ['changed in its first byte', flip(52), 'ERR_DECRYPTION_FAILED'],
    ['changed in a segment', flip(100_000), 'ERR_DECRYPTION_FAILED'],
    ['changed in its last tag', flip(-1), 'ERR_DECRYPTION_FAILED'],
  ])('%s gives no output', async (_, change, code) => {
    const { files } = place.kw
    const input = place.write('in', 300_000)
    await files.encryptFile(input, place.path('sealed'), { ...PII, ...CONTEXT })
    place.write('sealed', change(place.read('sealed')))
    const out = place.path('out')
    expect(await codeOf(files.decryptFile(place.path('sealed'), out, CONTEXT))).toBe(code)
    expect(place.names).toEqual(['in', 'sealed'])
  })

  it.each([
    ['another context', { context: { purpose: 'other' } }, 'ERR_DECRYPTION_FAILED'],
    ['no context', {}, 'ERR_DECRYPTION_FAILED'],
    ['another key type', { keyType: 'financial_data', ...CONTEXT }, 'ERR_KEYRING_MISMATCH'],
    ['another tenant', { keyType: 'pii', tenant: 'acme', ...CONTEXT }, 'ERR_KEYRING_MISMATCH'],
    ['an unknown key type', { keyType: 'nonsense', ...CONTEXT }, 'ERR_KEY_TYPE_UNKNOWN'],
    ['a tenant without its key type', { tenant: 'acme', ...CONTEXT }, 'ERR_ARGUMENT_INVALID'],
    ['a context that is none', { context: { Bad: 'name' } }, 'ERR_CONTEXT_INVALID'],
  ])('is as good as one opened under %s', async (_, options, code) => {
    const { files } = place.kw
    await files.encryptFile(place.write('in', 10), place.path('sealed'), { ...PII, ...CONTEXT })
    const open = Promise.resolve().then(() =>
      files.decryptFile(place.path('sealed'), place.path('out'), options),
    )
    expect(await codeOf(open)).toBe(code)
    expect(await codeOf(files.openRandomAccess(place.path('sealed'), options))).toBe(code)
    expect(place.names).toEqual(['in', 'sealed'])
  })

  it('has one face, whatever was tried', async () => {
    const { files } = place.kw
    await files.encryptFile(place.write('in', 300_000), place.path('sealed'), { ...PII, ...CONTEXT })
    const sealed = place.read('sealed')
    const faces = await Promise.all(
      [cut(12), cut(150_000), swapped, flip(11), flip(13), flip(200_000)].map(async (change, at) => {
        const path = place.write(`sealed-${at}`, change(sealed))
        const error = await files.decryptFile(path, place.path(`out-${at}`), CONTEXT).catch((e: unknown) => e)
        return JSON.stringify(error)
      }),
    )
    const other = await files.decryptFile(place.path('sealed'), place.path('out')).catch((e: unknown) => e)
    expect(new Set([...faces, JSON.stringify(other)]).size).toBe(1)
  })
})

describe('a key', () => {
  const seal = async (): Promise<number> => {
    const made = await place.kw.files.encryptFile(place.write('in', 10), place.path('sealed'), PII)
    return made.keyId
  }
  const open = (): Promise<string> =>
    codeOf(place.kw.files.decryptFile(place.path('sealed'), place.path('out'), { force: true }))

  it('that was replaced decrypts', async () => {
    const before = await seal()
    await place.kw.keys.rotate('pii', { force: true, now: true })
    expect(await open()).toBe('')
    const after = await place.kw.files.encryptFile(place.path('in'), place.path('sealed2'), PII)
    expect(after.keyId).not.toBe(before)
  })

  it('that is suspended decrypts nothing until it is resumed', async () => {
    const id = await seal()
    await place.kw.keys.rotate('pii', { force: true, now: true })
    await place.kw.keys.suspend(id, 'test')
    expect(await open()).toBe('ERR_KEY_SUSPENDED')
    await place.kw.keys.resume(id, 'test')
    expect(await open()).toBe('')
  })

  it('of search tokens encrypts no file', async () => {
    const input = place.write('in', 10)
    const sealed = place.kw.files.encryptFile(input, place.path('sealed'), { keyType: 'blind_index' })
    expect(await codeOf(sealed)).toBe('ERR_ARGUMENT_INVALID')
    expect(place.names).toEqual(['in'])
  })

  it('counts the files and bytes that it encrypted', async () => {
    const id = await seal()
    const before = (await place.world.store.inner.get(id))?.usage
    await place.kw.files.encryptFile(place.write('more', 70_000), place.path('sealed2'), PII)
    const after = (await place.world.store.inner.get(id))?.usage
    expect(after?.bytes).toBe((before?.bytes ?? 0) + 70_000)
    expect(after?.messages).toBe((before?.messages ?? 0) + 1)
  })

  it('does not have to be counted for the file to be there', async () => {
    await seal()
    place.world.store.failing.add('addUsage')
    await place.kw.files.encryptFile(place.path('in'), place.path('sealed2'), PII)
    expect(place.names).toContain('sealed2')
  })
})

it('files under X-AES keys come back, and a wrong one of them does not', async () => {
  await place.end()
  place = new FilesPlace({ policy: policyWith({ pii: { algorithm: 'X-AES-256-GCM' } }) })
  const { files } = place.kw
  const options = { ...PII, recoverable: true }
  await files.encryptFile(place.write('in', 100_000), place.path('sealed'), options)
  await files.decryptFile(place.path('sealed'), place.path('out'), PII)
  expect(place.read('out')).toEqual(place.read('in'))
})

it('each encryption and decryption is audited where the policy wants it, with the path', async () => {
  await place.end()
  const audit = new MemorySink()
  place = new FilesPlace({ policy: policyWith({ pii: { auditAccess: true } }), audit })
  const { files } = place.kw
  await files.encryptFile(place.write('in', 10), place.path('sealed'), PII)
  await files.decryptFile(place.path('sealed'), place.path('out'))
  await (await files.openRandomAccess(place.path('sealed'))).close()
  const events = audit.records.filter(({ event }) => event.startsWith('file.'))
  expect(events).toMatchObject([
    { event: 'file.encrypt', keyring: 'pii', details: { path: place.path('in') } },
    { event: 'file.decrypt', keyring: 'pii', details: { path: place.path('sealed') } },
    { event: 'file.decrypt', keyring: 'pii', details: { path: place.path('sealed') } },
  ])
})
