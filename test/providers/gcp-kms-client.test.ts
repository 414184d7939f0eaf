import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import gcpKmsProvider from '../../providers/gcp-kms.ts'
import { type GcpKmsFake, PLACE, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { scratchFolder } from '../../src/testing/native/process.ts'
import { context, openOn, refusal, skip } from './gcp-kms/kit.ts'

const key = new Uint8Array(64).fill(123)
/** As the client's logger writes bytes. */
const SHOWN = /123,(?:"\d+":)?123,(?:"\d+":)?123/

/** Everything that `run` makes the process print. */
async function printed(run: () => Promise<unknown>): Promise<string> {
  let text = ''
  const collect = (...chunks: unknown[]): boolean => {
    text += format(...chunks)
    return true
  }
  const spies = [
    vi.spyOn(process.stderr, 'write').mockImplementation(collect),
    vi.spyOn(process.stdout, 'write').mockImplementation(collect),
    ...(['debug', 'error', 'info', 'log', 'warn'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(collect),
    ),
  ]
  try {
    await run()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return text
}

describe.skipIf(skip)('the client library and its environment', () => {
  let fake: GcpKmsFake
  beforeAll(async () => {
    vi.stubEnv('GOOGLE_SDK_NODE_LOGGING', '*')
    fake = await startGcpKmsFake()
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await fake.stop()
  })

  it('prints requests and replies, but none of ours', async () => {
    const keyId = fake.makeKey()
    const provider = openOn(fake, { keyId })
    const ours = await printed(async () => {
      const wrapped = await provider.wrapKey(key, context)
      await provider.unwrapKey(wrapped, context)
    })
    await provider.close?.()
    expect(ours).not.toMatch(SHOWN)

    const require = createRequire(import.meta.url)
    const kms = require('@google-cloud/kms') as typeof import('@google-cloud/kms')
    const { grpc } = require('google-gax') as typeof import('google-gax')
    const client = new kms.KeyManagementServiceClient({
      apiEndpoint: '127.0.0.1',
      auth: { getUniverseDomain: async () => undefined } as never,
      port: fake.service.port,
      sslCreds: grpc.credentials.createInsecure(),
    })
    const theirs = await printed(() => client.encrypt({ name: fake.resource(keyId), plaintext: key }))
    await printed(() => client.close())
    expect(theirs).toMatch(SHOWN)
  })

  it('without any credentials a call is refused, and nothing is left behind', async () => {
    vi.stubEnv('HOME', '/nowhere')
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '')
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none')
    const provider = gcpKmsProvider({ ...PLACE, keyId: 'any' })
    for (let round = 0; round < 2; round++) {
      const refused = await refusal(() => provider.wrapKey(key, context))
      expect(refused.code).toBe('ERR_PROVIDER_UNAUTHENTICATED')
      expect(refused.hint).toContain('ENCRYPTION_GCP_KEY_FILE')
    }
    await provider.close?.()
    // An unhandled rejection of the library would fail the run.
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('a plain connection to this machine goes by no proxy', async () => {
    for (const name of ['https_proxy', 'http_proxy', 'grpc_proxy']) vi.stubEnv(name, 'http://127.0.0.1:1')
    for (const name of ['no_proxy', 'no_grpc_proxy']) vi.stubEnv(name, '')
    const provider = openOn(fake, { keyId: fake.makeKey() })
    expect((await provider.wrapKey(key, context)).masterKeyVersion).toBe('1')
    await provider.close?.()
  })

  it('a client that lacks a method is told from a service that refuses', async () => {
    const options = { ...PLACE, endpoint: fake.endpoint, keyId: 'any', lib: emptyClient }
    const provider = gcpKmsProvider(options)
    const refused = await refusal(() => provider.wrapKey(key, context))
    expect(refused).toMatchObject({ code: 'ERR_PROVIDER_FAILED', hint: expect.stringContaining('6.3') })
    await provider.close?.()
  })

  const without = [
    ['@google-cloud/kms', '{}', 'npm install @google-cloud/kms'],
    ['google-gax', '{ lib: {} }', 'npm install google-gax'],
  ] as const
  it.each(without)('where %s is not installed, a call says what to install', async (name, more, hint) => {
    const folder = await scratchFolder('gcp-kms')
    for (const path of [
      'providers/gcp-kms',
      'providers/gcp-kms.ts',
      'src/provider.ts',
      'src/errors.ts',
      'src/files',
    ]) {
      await cp(fileURLToPath(new URL(`../../${path}`, import.meta.url)), join(folder.path, path), {
        recursive: true,
      })
    }
    await writeFile(join(folder.path, 'package.json'), '{"type":"module"}')
    const program = `import open from './providers/gcp-kms.ts'
      const options = { keyId: 'any', keyRing: 'ring', location: 'global', projectId: 'my-project', ...${more} }
      const error = await open(options).describeMasterKey().catch((reason) => reason)
      console.log(JSON.stringify(error))`
    await writeFile(join(folder.path, 'main.ts'), program)
    const args = ['--experimental-strip-types', '--no-warnings', join(folder.path, 'main.ts')]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: {} })
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'ERR_DEPENDENCY_MISSING',
      hint: expect.stringContaining(hint),
      message: `cannot import ${name}`,
    })
    await folder.remove()
  })
})

class EmptyClient {
  readonly innerApiCalls = {}
  async initialize() {
    return { close: () => undefined }
  }
}

function emptyClient(): unknown {
  return { KeyManagementServiceClient: EmptyClient }
}
