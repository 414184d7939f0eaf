import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { VaultOptions } from '../../../providers/vault.ts'
import type { OpenBao } from '../../../src/testing/native/openbao.ts'
import { type Gate, openGate } from './gate.ts'
import { jwtPublicKey, makeJwt, startTokenReviewer, type TokenReviewer } from './jwt.ts'
import {
  context,
  dataKey,
  expectRefused,
  expectServes,
  openThrough,
  openVault,
  skip,
  startServerOnce,
  tokenWith,
} from './kit.ts'

const started = await startServerOnce()
const server = started as OpenBao
let gate: Gate
let reviewer: TokenReviewer
let folder: string
let roleId: string
let secretId: string
const podToken = makeJwt({
  iss: 'kubernetes/serviceaccount',
  sub: 'system:serviceaccount:prod:app',
  'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'app', uid: 'uid-1' } },
})

afterAll(async () => {
  await started?.stop()
  await gate?.close()
  await reviewer?.[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

/** Logins, renewals and look-ups that came by. */
const logged = (part: string): number => gate.paths().filter((path) => path.includes(part)).length

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

/** A role of the method AppRole, and what logs in to it. */
async function approle(role: string, parameters: object): Promise<{ roleId: string; secretId: string }> {
  const path = `auth/approle/role/${role}`
  await server.call('POST', path, parameters)
  const [id, secret] = [
    await server.call('GET', `${path}/role-id`),
    await server.call('POST', `${path}/secret-id`),
  ]
  return { roleId: String(id.data?.['role_id']), secretId: String(secret.data?.['secret_id']) }
}

async function enable(path: string, type: string, config?: object): Promise<void> {
  await server.call('POST', `sys/auth/${path}`, { type })
  if (config !== undefined) await server.call('POST', `auth/${path}/config`, config)
}

describe.skipIf(skip)('logging in to Vault', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keywright-vault-auth-'))
    gate = await openGate({ upstream: server.endpoint })
    reviewer = await startTokenReviewer(podToken)
    const lease = { token_policies: ['keywright'], token_ttl: '2s', token_max_ttl: '2s' }
    await enable('approle', 'approle')
    ;({ roleId, secretId } = await approle('app', lease))
    await enable('jwt', 'jwt', { jwt_validation_pubkeys: [jwtPublicKey], bound_issuer: 'test' })
    await server.call('POST', 'auth/jwt/role/app', {
      ...lease,
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: ['vault'],
    })
    await enable('clusters/one', 'kubernetes', {
      kubernetes_host: reviewer.endpoint,
      token_reviewer_jwt: podToken,
      disable_local_ca_jwt: true,
      kubernetes_ca_cert: 'not used: the reviewer speaks http',
    })
    await server.call('POST', 'auth/clusters/one/role/app', {
      ...lease,
      bound_service_account_names: ['app'],
      bound_service_account_namespaces: ['prod'],
    })
  })

  beforeEach(() => {
    gate.reset()
  })

  const jwt = (claims: object = {}): string => makeJwt({ iss: 'test', aud: 'vault', sub: 'app', ...claims })

  /** They take their time, so they take it together. */
  const methods: readonly [string, () => Promise<Partial<VaultOptions>>][] = [
    ['AppRole', async () => ({ roleId, secretId })],
    ['AppRole, files', async () => ({ roleId, secretIdFile: await file('sid', `${secretId}\n`) })],
    ['JWT', async () => ({ jwt: jwt(), role: 'app' })],
    ['JWT, file', async () => ({ jwtFile: await file('jwt', jwt()), role: 'app' })],
    [
      'Kubernetes',
      async () => ({
        auth: 'kubernetes',
        authMount: 'clusters/one',
        role: 'app',
        jwtFile: await file('pod', podToken),
      }),
    ],
  ]
  it(`by ${methods.map(([name]) => name).join('; ')}; and again when the lease of 2 seconds is over`, async () => {
    const outcomes = methods.map(async ([name, options]) => {
      const provider = openVault(server, await options())
      const wrapped = await provider.wrapKey(dataKey, context)
      for (const until = Date.now() + 4_500; Date.now() < until; await delay(300)) {
        await provider.unwrapKey(wrapped, context)
      }
      return name
    })
    const paused = async (): Promise<void> => {
      const provider = openVault(server, { roleId, secretId })
      await provider.wrapKey(dataKey, context)
      await delay(3_000) // nobody calls, and twenty do at once
      await Promise.all(Array.from({ length: 20 }, () => expectServes(provider)))
    }
    const [, ...names] = await Promise.all([paused(), ...outcomes])
    expect(names).toEqual(methods.map(([name]) => name))
  })

  it('renews a lease while it grows, in place of logging in', async () => {
    const login = await approle('long', { token_policies: ['keywright'], token_period: '1s' })
    const provider = openThrough(gate, server, login)
    await expectServes(provider)
    await delay(2_500)
    await expectServes(provider)
    expect(logged('login')).toBe(1)
    expect(logged('renew-self')).toBeGreaterThanOrEqual(2)
  })

  it('keeps a given token alive, which can be had only once', async () => {
    const token = await tokenWith(server, ['keywright'], { period: '2s' })
    const provider = openThrough(gate, server, { token })
    await expectServes(provider)
    gate.faults.inject('unavailable', { operation: 'renew-self' })
    await delay(3_000)
    await expectServes(provider)
    expect(gate.faults.pending).toBe(0)
    expect((await provider.describeMasterKey()).warnings).toEqual([])
  })

  it('says that a given token ends, and has its code when it has ended', async () => {
    const token = await tokenWith(server, ['keywright'], { ttl: '2s', renewable: false })
    const provider = openVault(server, { token })
    expect((await provider.describeMasterKey()).warnings?.join()).toContain('cannot be renewed')
    await delay(2_300)
    const wrap = () => provider.wrapKey(dataKey, context)
    await expectRefused(provider, wrap, 'ERR_PROVIDER_UNAUTHENTICATED', 'ENCRYPTION_VAULT_TOKEN', [token])
  })

  it('200 calls with a token that was just revoked make one login', async () => {
    const login = await approle('hour', { token_policies: ['keywright'], token_ttl: '1h' })
    const provider = openThrough(gate, server, login)
    const wrapped = await provider.wrapKey(dataKey, context)
    await server.call('PUT', 'sys/leases/revoke-prefix/auth/approle/login')
    await Promise.all(Array.from({ length: 200 }, () => provider.unwrapKey(wrapped, context)))
    expect(logged('login')).toBe(2)
  })

  it('does not log in again because a policy denies', async () => {
    const provider = openThrough(gate, server, { roleId, secretId, mount: 'elsewhere' })
    for (const call of [() => provider.wrapKey(dataKey, context), () => provider.describeMasterKey()]) {
      await expectRefused(provider, call, 'ERR_PROVIDER_DENIED', 'docs/providers/vault.md', [secretId])
    }
    expect(logged('login')).toBe(1)
  })

  it('a caller that gives up does not end the login of the others', async () => {
    gate.script('approle/login', { status: 503, body: { errors: ['wait'] } })
    const provider = openThrough(gate, server, { roleId, secretId })
    const controller = new AbortController()
    const leaver = provider.wrapKey(dataKey, context, { signal: controller.signal })
    const stayer = provider.wrapKey(dataKey, context)
    controller.abort()
    await expectRefused(provider, () => leaver, 'ERR_ABORTED')
    await expectRefused(provider, () => stayer, 'ERR_PROVIDER_UNAVAILABLE')
    gate.reset()
    await expectServes(provider)
  })

  const wrong: readonly [string, () => Promise<Partial<VaultOptions>>, string][] = [
    ['a wrong secret id', async () => ({ roleId, secretId: 'wrong-secret-id' }), '_SECRET_ID'],
    ['no secret id', async () => ({ roleId }), '_SECRET_ID'],
    ['a role that is not there', async () => ({ roleId: 'nobody', secretId }), '_ROLE_ID'],
    ['an auth mount that is not there', async () => ({ roleId, secretId, authMount: 'x/y' }), '_AUTH_MOUNT'],
    ['a mount of another method', async () => ({ roleId, secretId, authMount: 'jwt' }), '_AUTH_MOUNT'],
    ['a JWT for another audience', async () => ({ jwt: jwt({ aud: 'other' }), role: 'app' }), '_JWT_FILE'],
    ['a JWT of the past', async () => ({ jwt: jwt({ exp: 1000, iat: 900 }), role: 'app' }), '_JWT_FILE'],
    ['an unknown role of a JWT', async () => ({ jwt: jwt(), role: 'nobody' }), '_ROLE'],
    [
      'a pod that Kubernetes does not know',
      async () => ({
        auth: 'kubernetes',
        authMount: 'clusters/one',
        role: 'app',
        jwtFile: await file('other-pod', makeJwt({ sub: 'system:serviceaccount:prod:other' })),
      }),
      '_JWT_FILE',
    ],
    ['an empty file', async () => ({ tokenFile: await file('empty', ' \n') }), '_TOKEN_FILE'],
    [
      'a file that holds no token',
      async () => ({ tokenFile: await file('text', 'no token') }),
      '_TOKEN_FILE',
    ],
    ['a file that is not there', async () => ({ tokenFile: '/nowhere/token' }), '_TOKEN_FILE'],
    [
      'a secret id file that is not there',
      async () => ({ roleId, secretIdFile: '/nowhere' }),
      '_SECRET_ID_FILE',
    ],
    [
      'no service account',
      async () => ({ auth: 'kubernetes', role: 'app', jwtFile: '/nowhere' }),
      '_JWT_FILE',
    ],
    ['a token nobody knows', async () => ({ token: 's.nobodyknowsthistoken' }), '_TOKEN'],
  ]
  it.each(wrong)('is refused with %s', async (_, options, hint) => {
    const given = await options()
    const provider = openVault(server, given)
    const secrets = [given.token, given.jwt, given.secretId].filter((secret) => secret !== undefined)
    for (const call of [() => provider.wrapKey(dataKey, context), () => provider.describeMasterKey()]) {
      await expectRefused(provider, call, 'ERR_PROVIDER_UNAUTHENTICATED', `ENCRYPTION_VAULT${hint}`, secrets)
    }
  })

  it('reads the token file again when its token has ended', async () => {
    const first = await tokenWith(server, ['keywright'])
    const tokenFile = await file('token', `${first}\n`)
    const provider = openVault(server, { tokenFile })
    await expectServes(provider)
    await server.call('POST', 'auth/token/revoke', { token: first })
    await expectRefused(
      provider,
      () => provider.wrapKey(dataKey, context),
      'ERR_PROVIDER_UNAUTHENTICATED',
      '_TOKEN_FILE',
      [first],
    )
    await writeFile(tokenFile, await tokenWith(server, ['keywright']))
    await expectServes(provider)
  })

  it('tells ended from denied without the permission to look a token up', async () => {
    const token = await tokenWith(server, ['keywright'], { no_default_policy: true })
    const provider = openVault(server, { token, mount: 'elsewhere' })
    await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_PROVIDER_DENIED')
    const used = openVault(server, { token })
    await expectServes(used)
    await server.call('POST', 'auth/token/revoke', { token })
    await expectRefused(used, () => used.describeMasterKey(), 'ERR_PROVIDER_UNAUTHENTICATED')
  })

  it('a token for few uses is replaced when they are used up', async () => {
    const login = await approle('few', { token_policies: ['keywright'], token_num_uses: 3 })
    const provider = openVault(server, login)
    for (let turn = 0; turn < 4; turn++) await expectServes(provider)
  })
})
