/** Examples of a key file and of a wrap made under it. */
import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { deriveSealingKey } from '../../providers/local/kdf.ts'
import { openSealedKeyset, parseKeyFile } from '../../providers/local/master-keyset.ts'
import { wrapContextOf } from '../../src/keys/record.ts'
import { exampleKey, KEYS, type SetUp } from './set-up.ts'

async function openKeyFile({ keyFile }: SetUp) {
  const text = readFileSync(keyFile, 'latin1')
  const document = parseKeyFile(text, keyFile)
  if (document.kdf === undefined) throw new Error('the key file is not sealed')
  const root = { kind: 'key', key: createSecretKey(exampleKey('root key')) } as const
  const sealingKey = await deriveSealingKey(root, document.kdf)
  const keyset = openSealedKeyset(document, sealingKey)
  if (keyset === undefined) throw new Error('the key file does not open')
  return { text, document, sealingKey, keyset }
}

/** A key file, line by line, with what it holds. */
export async function keyFileExample(setUp: SetUp) {
  const { text, document, sealingKey, keyset } = await openKeyFile(setUp)
  const { current, generation, id, kdf, v, versions } = { ...JSON.parse(text) }
  return {
    example: 'key-file',
    rootKey: exampleKey('root key').toString('hex'),
    lines: text.split('\n'),
    sealingKey: sealingKey.export().toString('hex'),
    associatedData: JSON.stringify({
      current,
      format: 'keywright-keyfile',
      generation,
      id,
      kdf,
      v,
      versions,
    }),
    masterKeyId: `keyfile:${document.id}`,
    masterKeys: keyset.versions.map(({ version, key }) => ({ version, key: key.export().toString('hex') })),
  }
}

/** The wrap of the active key of pii, opened. */
export async function wrapExample(setUp: SetUp) {
  const key = KEYS[1]
  if (key === undefined) throw new Error('no such key')
  const database = new DatabaseSync(setUp.storePath, { readOnly: true })
  const row = database.prepare('SELECT wraps FROM key_records WHERE id = ?').get(key.id)
  database.close()
  const [wrap] = JSON.parse(String(row?.['wraps'])) as { ciphertext: string }[]
  if (wrap === undefined) throw new Error('no wrap')
  const { keyset, document } = await openKeyFile(setUp)
  const context = wrapContextOf({ ...key, createdAt: 0 })
  const payload = await setUp.provider.unwrapKey(
    {
      provider: 'file',
      masterKeyId: `keyfile:${document.id}`,
      masterKeyVersion: '1',
      algorithm: 'AES-256-GCM',
      ciphertext: Buffer.from(wrap.ciphertext, 'base64'),
    },
    context,
  )
  const prefixed = (text: string): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(text))
    return Buffer.concat([length, Buffer.from(text)])
  }
  const id = `keyfile:${document.id}`
  const associatedData = Buffer.concat([prefixed(id), prefixed('1'), context.bytes])
  return {
    example: 'wrap',
    wrap,
    masterKey: keyset.versions[0]?.key.export().toString('hex') ?? '',
    context: Buffer.from(context.bytes).toString(),
    associatedData: associatedData.toString('hex'),
    payload: Buffer.from(payload).toString('hex'),
  }
}
