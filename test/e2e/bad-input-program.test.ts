/** The program as a process: libraries that are missing, and what libraries say on standard error by themselves. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Env, errorsIn } from './bad-input-kit.ts'
import { Workplace } from './cli-kit.ts'
import { type Backends, missing, startBackends } from './doctor-backends.ts'
import { allWell } from './doctor-kit.ts'
import { type Ended, endPrograms, startProgram } from './program-kit.ts'

/** A module hook that hides packages, as if they had never been installed. */
function without(...packages: readonly string[]): readonly string[] {
  const hook = `
    import { registerHooks } from 'node:module'
    const hidden = ${JSON.stringify(packages)}
    registerHooks({
      resolve(specifier, context, next) {
        if (!hidden.includes(specifier)) return next(specifier, context)
        throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
      },
    })`
  return ['--import', `data:text/javascript,${encodeURIComponent(hook)}`]
}

/** Only ours: no warning of Node, no word of a library. */
const OURS = /^(?:keywright: [^\n]*\n|hint: [^\n]*\n| {2}[^\n]*\n)*$/

describe.skipIf(missing)(`the program and its libraries ${missing ?? ''}`, () => {
  let backends: Backends
  let place: Workplace

  beforeAll(async () => {
    backends = await startBackends()
    place = new Workplace()
    await place.init()
  })
  afterAll(async () => {
    place.leave()
    await backends.stop()
  })
  afterEach(endPrograms)

  const envOf: Readonly<Record<string, () => Env>> = {
    vault: () => backends.bao.env,
    redis: () => ({ ...backends.cache.env, ENCRYPTION_KEY_STORE_URL: undefined }),
    'aws-kms': () => backends.aws.env,
    'azure-key-vault': () => backends.azure.env,
    'gcp-kms': () =>
      backends.as.gcp(
        'cloudkms.cryptoKeyVersions.useToEncrypt',
        'cloudkms.cryptoKeyVersions.useToDecrypt',
        'cloudkms.cryptoKeys.get',
        'cloudkms.cryptoKeyVersions.get',
      ),
  }
  const keywright = (argv: readonly string[], env: Env, node: readonly string[] = []): Promise<Ended> =>
    startProgram(argv, { cwd: place.folder, env: { ...place.env, ...env }, node, stdin: 'ada@example.com' })
      .ended

  it.each([
    ['vault', 'node-vault'],
    ['redis', 'ioredis'],
    ['aws-kms', '@aws-sdk/client-kms'],
    ['azure-key-vault', '@azure/keyvault-keys'],
    ['gcp-kms', '@google-cloud/kms'],
  ])('%s without %s: which package to install, and nothing is changed', async (backend, name) => {
    const env = { ...envOf[backend]?.(), ENCRYPTION_CONFIG: undefined }
    const before = place.fingerprint()
    const { code, err, out } = await keywright(['encrypt', '--key-type', 'pii', '--json'], env, without(name))
    expect([code, out]).toEqual([2, ''])
    const [error] = errorsIn(err)
    expect(error).toMatchObject({ code: 'ERR_DEPENDENCY_MISSING' })
    expect(`${error?.message} – ${error?.hint}`).toMatch(
      new RegExp(`cannot import ${name} – npm install ${name}`),
    )
    expect(place.fingerprint()).toBe(before)
    const looked = await keywright(['doctor', '--json'], env, without(name))
    expect(looked).toMatchObject({ code: 1, err: '' })
    expect(looked.out).toContain(`npm install ${name}`)
  })

  it.each([
    ['postgres://keys@127.0.0.1:1/keys', 'pg'],
    ['redis://127.0.0.1:1/0', 'ioredis'],
  ])('a store at %s without %s', async (url, name) => {
    const { code, err } = await keywright(
      ['keys', 'list', '--json'],
      { ENCRYPTION_KEY_STORE_URL: url },
      without(name),
    )
    expect(code).toBe(2)
    const [error] = errorsIn(err)
    expect(error).toMatchObject({
      code: 'ERR_DEPENDENCY_MISSING',
      hint: expect.stringContaining(`npm install ${name}`),
    })
  })

  it.each(Object.keys(envOf))('%s: nothing but our own words on standard error', async (backend) => {
    const good = {
      ...envOf[backend]?.(),
      ENCRYPTION_KEY_STORE_URL: `sqlite:${backend}.db`,
      ENCRYPTION_CONFIG: `${backend}.json`,
      ENCRYPTION_AUDIT_PATH: `${backend}.jsonl`,
    }
    await allWell(place, good, ['init'])
    const wrong = { ...good, ENCRYPTION_KEY_ID: backend === 'aws-kms' ? 'alias/no-such-key' : 'no-such-key' }
    for (const [argv, env, wanted] of [
      [['encrypt', '--key-type', 'pii'], good, 0],
      [['doctor'], wrong, 1],
    ] as const) {
      const { code, err } = await keywright(argv, env)
      expect({ argv, code, err }).toEqual({ argv, code: wanted, err: expect.stringMatching(OURS) })
    }
  })

  it('Google without any credentials: told by us, not by a warning of its library', async () => {
    const env = { ...backends.gcp.env, ENCRYPTION_GCP_CACERT: backends.identities.caCert }
    const { code, err } = await keywright(['encrypt', '--key-type', 'pii'], env)
    expect(code).toBe(1)
    expect(err).toMatch(OURS)
    expect(err).toMatch(/ERR_PROVIDER_UNAUTHENTICATED\)\nhint: set ENCRYPTION_GCP_KEY_FILE/)
  })
})
