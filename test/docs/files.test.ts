/**
 * Section 11 of docs/format.md: its examples are opened by a reader that shares no code with the library, the library
 * opens them too, and the reader opens what the library writes now.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fileProvider from '../../providers/file.ts'
import { type KeyProvider, recoverFile } from '../../src/index.ts'
import { Keywright } from '../../src/keywright.ts'
import openSqliteStore from '../../stores/sqlite.ts'
import { frozenExamples } from './examples.ts'
import { examplePolicy, restoreStore } from './frozen-store.ts'
import { derive, openKeyFile } from './reader.ts'
import { fileParts, filePath, openFile, recoveredKey, segmentKey } from './reader-files.ts'

const frozen = frozenExamples()
const { files, plaintext } = frozen.files
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const rootKey = hex(frozen['key-file'].rootKey)
const masterKeys = openKeyFile(frozen['key-file'].lines.join('\n'), { key: rootKey })
const dataKeyOf = (id: number): Buffer => hex(frozen.keys.keys.find((key) => key.id === id)?.dataKey ?? '')

let folder: string
let provider: KeyProvider
let keywright: Keywright
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-docs-'))
  const keyFile = join(folder, 'master.keys')
  writeFileSync(keyFile, frozen['key-file'].lines.join('\n'))
  chmodSync(keyFile, 0o600)
  provider = fileProvider({ path: keyFile, rootSecret: { kind: 'key', bytes: rootKey } })
  keywright = new Keywright({
    provider,
    store: await openSqliteStore({ path: restoreStore(folder) }),
    policy: examplePolicy(),
    clock: { now: () => Date.UTC(2026, 0, 5), after: () => () => undefined },
  })
})
afterAll(async () => {
  await keywright.close()
  rmSync(folder, { recursive: true })
})

const own = ({ keyring: _, ...context }: Readonly<Record<string, string>>) => context

describe.each(files)('a file $name', (example) => {
  const { context, file, fileKey, header, keyId, noncePrefix, path, salt } = example
  const bytes = hex(file)
  const parts = fileParts(bytes)

  it('is opened by the reader of the document', () => {
    const dataKey = dataKeyOf(keyId)
    expect(parts.keyId).toBe(keyId)
    expect(parts.header.toString('hex')).toBe(header)
    expect(parts.stream.subarray(0, 40).toString('hex')).toBe(`28${salt}${noncePrefix}`)
    expect(derive(dataKey, 'file').toString('hex')).toBe(fileKey)
    expect(segmentKey(dataKey, parts, context).toString('hex')).toBe(example.segmentKey)
    expect(openFile(dataKey, bytes, context).toString()).toBe(plaintext)
    expect(() => openFile(dataKey, bytes, { ...context, more: 'x' })).toThrow()
    if (parts.recovery !== undefined) expect(recoveredKey(masterKeys, parts)).toEqual(dataKey)
    if (path !== undefined) expect(filePath(dataKey, 'AES-256-GCM', parts, context)).toBe(path)
  })

  it('is opened by the library', async () => {
    const [input, output] = [join(folder, 'in'), join(folder, 'out')]
    writeFileSync(input, bytes)
    const options = { context: own(context), force: true }
    expect(await keywright.files.decryptFile(input, output, options)).toMatchObject({ keyId })
    expect(readFileSync(output, 'utf8')).toBe(plaintext)
    if (parts.recovery === undefined) return
    await recoverFile(input, output, { ...options, provider })
    expect(readFileSync(output, 'utf8')).toBe(plaintext)
  })
})

it.each([0, 1, 65_480, 65_481, 200_000])(
  'what the library writes of %i bytes is as the document says',
  async (length) => {
    const content = Buffer.alloc(length, 'content ')
    writeFileSync(join(folder, 'content'), content)
    for (const compression of ['none', 'zstd'] as const) {
      const options = { keyType: 'pii', context: { a: 'b' }, compression, recoverable: true, force: true }
      await keywright.files.encryptFile(join(folder, 'content'), join(folder, 'sealed'), options)
      const sealed = readFileSync(join(folder, 'sealed'))
      const dataKey = recoveredKey(masterKeys, fileParts(sealed))
      expect(openFile(dataKey, sealed, { a: 'b', keyring: 'pii' })).toEqual(content)
      expect(() => openFile(dataKey, sealed.subarray(0, -1), { a: 'b', keyring: 'pii' })).toThrow()
    }
  },
)
