/**
 * Key files of the released format, with a wrap made under them: readable for ever. The JSON file is never
 * edited.
 */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fileProvider from '../../providers/file.ts'
import { parseRootKey } from '../../providers/local/root-secret.ts'
import { failureOf, wrapContext } from '../conformance/provider.ts'
import { withoutKdf } from '../kit/node.ts'
import { makeRoot } from './file-kit.ts'
import vectors from './key-file-v1.json' with { type: 'json' }

let files: Awaited<ReturnType<typeof makeRoot>>
beforeAll(async () => {
  files = await makeRoot()
})
afterAll(() => files.remove())

describe('key file format 1', () => {
  it.for(vectors)('opens: $name', async (vector, { skip }) => {
    const { context, file, name, password, payload, rootKey, wrapped } = vector
    const missing = withoutKdf(name)
    if (missing !== undefined) skip(missing)
    const path = join(files.root, `${name}.key`)
    await writeFile(path, file.join('\n'))
    await chmod(path, 0o600)
    const key = rootKey === undefined ? undefined : ({ bytes: parseRootKey(rootKey), kind: 'key' } as const)
    const rootSecret = password === undefined ? key : ({ kind: 'password', password } as const)
    const provider = fileProvider({ path, ...(rootSecret === undefined ? {} : { rootSecret }) })
    const stored = { ...wrapped, ciphertext: Buffer.from(wrapped.ciphertext, 'base64') }
    const opened = await provider.unwrapKey(stored, wrapContext(context))
    expect(Buffer.from(opened).toString('base64')).toBe(payload)
    const relabelled = { ...stored, masterKeyVersion: '2' }
    const error = await failureOf(() => provider.unwrapKey(relabelled, wrapContext(context)))
    expect(error).toMatchObject({ code: 'ERR_UNWRAP_FAILED' })
  })
})
