/** Examples of encrypted files: a bare one, one that is compressed and recoverable, one that carries its path. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canonicalText } from '../../src/crypto/canonical.ts'
import { deriveBytes } from '../../src/crypto/derive.ts'
import { headerLength, parseFileHeader } from '../../src/crypto/file-header.ts'
import { openStream } from '../../src/crypto/streaming.ts'
import type { Keywright } from '../../src/keywright.ts'
import { dataKeyOf, KEYS } from './set-up.ts'

const PLAINTEXT = 'the quick brown fox'
const PATH = 'photos/2026/fox.txt'
const CONTEXT = { purpose: 'archive' }

/** Files of the keyring `pii`, in hex. */
export async function fileExample(keywright: Keywright) {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-files-'))
  try {
    mkdirSync(join(folder, 'from/photos/2026'), { recursive: true })
    const input = join(folder, 'from', PATH)
    writeFileSync(input, PLAINTEXT)
    const { files } = keywright
    const seal = async (name: string, options: object, context = {}) => {
      const output = join(folder, 'out')
      rmSync(output, { force: true })
      await files.encryptFile(input, output, { keyType: 'pii', context, ...options })
      return describe(name, readFileSync(output), context)
    }
    const bare = await seal('bound to nothing but its keyring', {})
    const bound = await seal('bound to a context', {}, CONTEXT)
    const recoverable = await seal('compressed, and with the wrapped key', {
      compression: 'zstd',
      recoverable: true,
    })
    await files.encryptFolder(join(folder, 'from'), join(folder, 'to'), { keyType: 'pii', names: 'encrypt' })
    const [made = ''] = readdirSync(join(folder, 'to'))
    const named = { ...describe('with its path', readFileSync(join(folder, 'to', made)), {}), path: PATH }
    return { example: 'files', plaintext: PLAINTEXT, files: [bare, bound, recoverable, named] }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function describe(name: string, bytes: Buffer, own: Record<string, string>) {
  const length = headerLength(bytes)
  const header = bytes.subarray(0, length)
  const { keyId } = parseFileHeader(header)
  const context = { keyring: 'pii', ...own }
  const key = KEYS.find(({ id }) => id === keyId)
  const fileKey = deriveBytes(dataKeyOf(key ?? { keyring: '', version: 0 }), 'file')
  const start = bytes.subarray(length, length + 40)
  const aad = Buffer.concat([header, Buffer.from(canonicalText(context))])
  return {
    name,
    keyId,
    context,
    header: header.toString('hex'),
    fileKey: fileKey.toString('hex'),
    salt: start.subarray(1, 33).toString('hex'),
    noncePrefix: start.subarray(33).toString('hex'),
    segmentKey: openStream(fileKey, aad, start).key.export().toString('hex'),
    file: bytes.toString('hex'),
  }
}
