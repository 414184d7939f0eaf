import { createHash, randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { deriveSealingKey, type Kdf, kdfProblem, newKdf } from '../../providers/local/kdf.ts'
import {
  addMasterKeyVersion,
  createMasterKeyset,
  formatKeyFile,
  type MasterKeyset,
  openClearKeyset,
  openSealedKeyset,
  parseKeyFile,
} from '../../providers/local/master-keyset.ts'
import { holdRootSecret } from '../../providers/local/root-secret.ts'
import { KeywrightError } from '../../src/errors.ts'
import { withoutKdf } from '../kit/node.ts'

const root = holdRootSecret({ bytes: randomBytes(32), kind: 'key' })
const password = holdRootSecret({ kind: 'password', password: 'correct horse battery staple' })
const cheap = { memoryKiB: 7168, passes: 5 }
const keyset = addMasterKeyVersion(createMasterKeyset(1_700_000_000_000), 1_800_000_000_000)
const salt = Buffer.alloc(16, 7).toString('base64')
const argon2id: Kdf = { memoryKiB: 65_536, name: 'argon2id', parallelism: 1, passes: 3, salt }

let sealed = ''
const clear = formatKeyFile(keyset)
beforeAll(async () => {
  const kdf = newKdf('key')
  sealed = formatKeyFile(keyset, { kdf, key: await deriveSealingKey(root, kdf) })
})

function codeFor(text: string): string {
  try {
    parseKeyFile(text, '/keys/file')
  } catch (error) {
    if (error instanceof KeywrightError && error.hint !== undefined) return error.code
  }
  return 'none'
}

function describes(opened: MasterKeyset | undefined): void {
  expect(opened).toMatchObject({ current: 2, generation: 2, id: keyset.id })
  const keys = opened?.versions.map(({ createdAt, key, version }) => [
    createdAt,
    version,
    key.export({ format: 'jwk' }),
  ])
  expect(keys).toEqual(
    keyset.versions.map(({ createdAt, key, version }) => [createdAt, version, key.export({ format: 'jwk' })]),
  )
}

/** Writes a changed document as its checksum and length want it, as somebody with bad intent would. */
function forge(text: string, change: (text: string) => string): string {
  let forged = change(text)
  forged = forged.replace(/"bytes": \d+/, `"bytes": ${forged.length}`)
  const before = forged.slice(0, forged.indexOf('  "sha256"'))
  return `${before}  "sha256": "${createHash('sha256').update(before).digest('hex')}"\n}\n`
}

describe('key file format', () => {
  it('opens what it wrote: sealed, in clear, under a password', async () => {
    const document = parseKeyFile(sealed, 'x')
    describes(openSealedKeyset(document, await deriveSealingKey(root, document.kdf as Kdf)))
    describes(openClearKeyset(parseKeyFile(clear, 'x')))
    for (const options of [cheap, { name: 'scrypt' as const }]) {
      const kdf = newKdf('password', options)
      const text = formatKeyFile(keyset, { kdf, key: await deriveSealingKey(password, kdf) })
      const read = parseKeyFile(text, 'x')
      expect(read.kdf).toEqual(kdf)
      describes(openSealedKeyset(read, await deriveSealingKey(password, read.kdf as Kdf)))
    }
  })

  it('is a JSON document whose head a person can read', () => {
    const head = JSON.parse(sealed)
    expect(head).toMatchObject({ format: 'keywright-keyfile', generation: 2, id: keyset.id, v: 1 })
    expect(head.bytes).toBe(Buffer.byteLength(sealed))
    expect(head.versions[0]).toEqual({ createdAt: '2023-11-14T22:13:20.000Z', version: 1 })
    expect(sealed.split('\n').at(-3)).toMatch(/^ {2}"sha256": /)
  })

  it('states its length whatever the number of versions', () => {
    let grown = createMasterKeyset(0)
    for (let version = 2; version < 120; version++) {
      grown = addMasterKeyVersion(grown, version)
      const text = formatKeyFile(grown)
      expect(parseKeyFile(text, 'x').versions.length).toBe(version)
    }
  })

  it('holds no key in clear when it is sealed', () => {
    for (const { key } of keyset.versions) {
      expect(sealed).not.toContain(key.export().toString('base64').slice(0, 40))
      expect(sealed).not.toContain(key.export().toString('hex'))
    }
  })

  it('every cut is truncated, and no cut at all is empty', () => {
    for (const text of [sealed, clear]) {
      for (let length = 1; length < text.length; length++) {
        expect([length, codeFor(text.slice(0, length))]).toEqual([length, 'ERR_KEY_FILE_TRUNCATED'])
      }
    }
    for (const text of ['', '\n', ' \n\t']) expect(codeFor(text)).toBe('ERR_KEY_FILE_EMPTY')
  })

  it('every changed byte is corrupt', () => {
    for (let index = 0; index < sealed.length; index++) {
      const changed = String.fromCharCode(sealed.charCodeAt(index) ^ 1)
      const text = sealed.slice(0, index) + changed + sealed.slice(index + 1)
      // A changed last line does not look like the end, but the length is right.
      expect([index, codeFor(text)]).toEqual([index, expect.stringMatching(/CORRUPT|UNREADABLE/)])
    }
  })

  it.each([
    ['zeros', '\0'.repeat(900)],
    ['another JSON document', '{"keys": []}'],
    ['text', 'hello'],
    ['one byte too many', () => `${sealed}\n`],
    ['a piece lost in the middle', () => sealed.slice(0, 200) + sealed.slice(300)],
    ['Windows line ends', () => sealed.replaceAll('\n', '\r\n')],
    ['written twice', () => sealed + sealed],
    ['an unknown member', () => forge(sealed, (text) => text.replace('  "id"', '  "note": 1,\n  "id"'))],
    ['a member twice', () => forge(sealed, (text) => text.replace('  "id"', '  "generation": 1,\n  "id"'))],
    ['other white space', () => forge(sealed, (text) => text.replace('"id": ', '"id":  '))],
    ['generation 0', () => forge(sealed, (text) => text.replace('"generation": 2', '"generation": 0'))],
    ['generation 1.5', () => forge(sealed, (text) => text.replace('"generation": 2', '"generation": 1.5'))],
    ['an id that is no id', () => forge(sealed, (text) => text.replace(keyset.id, '../../../etc/passwd'))],
    [
      'a current version that is not there',
      () => forge(sealed, (text) => text.replace('"current": 2', '"current": 3')),
    ],
    ['a version twice', () => forge(sealed, (text) => text.replace('"version":2', '"version":1'))],
    ['a date that is none', () => forge(sealed, (text) => text.replace('2023-11-14', '2023-99-14'))],
    [
      'a version less than keys',
      () => forge(sealed, (text) => text.replace(/\{"createdAt":"2023[^}]*\},/, '')),
    ],
    ['no keys', () => forge(sealed, (text) => text.replace(/"sealed": "[^"]*"/, '"sealed": ""'))],
    [
      'keys that are no text',
      () => forge(sealed, (text) => text.replace(/"sealed": "[^"]*"/, '"sealed": 7')),
    ],
    [
      'both sealed and not',
      () => forge(sealed, (text) => text.replace('  "sealed"', '  "unsealed": true,\n  "sealed"')),
    ],
    [
      'versions that are no list',
      () => forge(sealed, (text) => text.replace(/"versions": .*\n/, '"versions": null,\n')),
    ],
    [
      'a version that is null',
      () => forge(sealed, (text) => text.replace(/"versions": .*\n/, '"versions": [null],\n')),
    ],
  ] as const)('%s is corrupt', (_, text) => {
    expect(codeFor(typeof text === 'string' ? text : text())).toBe('ERR_KEY_FILE_CORRUPT')
  })

  it('a later format version is unreadable, not corrupt', () => {
    expect(codeFor(forge(sealed, (text) => text.replace('"v": 1', '"v": 2')))).toBe('ERR_KEY_FILE_UNREADABLE')
  })

  it.each([
    ['generation', /"generation": 2/, '"generation": 3'],
    ['current', /"current": 2/, '"current": 1'],
    ['a date', /2023-11-14/, '2024-11-14'],
    ['id', /"id": "./, '"id": "'],
  ])('a forged %s does not open', async (name, pattern, replacement) => {
    const extra = name === 'id' ? (keyset.id.startsWith('0') ? '1' : '0') : ''
    const forged = forge(sealed, (text) => text.replace(pattern, replacement + extra))
    const document = parseKeyFile(forged, 'x')
    expect(forged).not.toBe(sealed)
    expect(openSealedKeyset(document, await deriveSealingKey(root, document.kdf as Kdf))).toBeUndefined()
  })
})

describe('key derivation parameters', () => {
  it.each([
    ['a terabyte', { ...argon2id, memoryKiB: 2 ** 30 }],
    ['endless passes', { ...argon2id, passes: 1_000_000 }],
    ['a weak Argon2id', { ...argon2id, memoryKiB: 7168, passes: 1 }],
    ['a fraction', { ...argon2id, passes: 3.5 }],
    ['a huge scrypt', { N: 2 ** 40, name: 'scrypt', p: 1, r: 8, salt }],
    ['a weak scrypt', { N: 1024, name: 'scrypt', p: 1, r: 8, salt }],
    ['an N that is no power of two', { N: 2 ** 17 + 1, name: 'scrypt', p: 1, r: 8, salt }],
    ['an unknown name', { name: 'md5', salt }],
    ['a name of Object.prototype', { name: 'toString', salt }],
    ['a short salt', { name: 'hkdf-sha256', salt: 'AAAA' }],
    ['no salt', { name: 'hkdf-sha256' }],
    ['an unknown member', { cost: 1, name: 'hkdf-sha256', salt }],
    ['null', null],
    ['text', 'argon2id'],
  ])('refuses %s', (_, kdf) => {
    expect(kdfProblem(kdf)).toMatch(/kdf/)
    const text = forge(sealed, (before) => before.replace(/"kdf": .*\n/, `"kdf": ${JSON.stringify(kdf)},\n`))
    expect(codeFor(text)).toBe('ERR_KEY_FILE_CORRUPT')
  })

  it('refuses weak options, and takes strong defaults', ({ skip }) => {
    const missing = withoutKdf('argon2id')
    if (missing !== undefined) skip(missing)
    expect(() => newKdf('password', { memoryKiB: 1024 })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID', hint: expect.stringContaining('default') }),
    )
    expect(newKdf('password')).toMatchObject({ memoryKiB: 65_536, name: 'argon2id', passes: 3 })
    expect(newKdf('key').salt).not.toBe(newKdf('key').salt)
  })
})
