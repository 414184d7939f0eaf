import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ERROR_CODES } from '../../../src/errors.ts'
import type { OpenBao } from '../../../src/testing/native/openbao.ts'
import { sameBytes } from '../../conformance/provider-kit.ts'
import { type Gate, openGate } from './gate.ts'
import {
  context,
  dataKey,
  expectRefused,
  expectServes,
  openThrough,
  openVault,
  skip,
  startServerOnce,
} from './kit.ts'

const started = await startServerOnce()
const server = started as OpenBao
let gate: Gate

beforeAll(async () => {
  gate = await openGate(started === undefined ? {} : { upstream: started.endpoint, otherKey: 'other' })
})
afterAll(async () => {
  await started?.stop()
  await gate.close()
})
beforeEach(() => {
  gate.reset()
})

describe.skipIf(skip)('Vault in trouble', () => {
  beforeAll(() => server.call('POST', 'transit/keys/other', {}))

  it('sealed has its code, and unsealed it serves again', async () => {
    const provider = openVault(server)
    const wrapped = await provider.wrapKey(dataKey, context)
    await server.seal()
    const unwrap = () => provider.unwrapKey(wrapped, context)
    for (const call of [
      unwrap,
      () => provider.wrapKey(dataKey, context),
      () => provider.describeMasterKey(),
    ]) {
      await expectRefused(provider, call, 'ERR_PROVIDER_SEALED', 'unseal')
    }
    const fresh = openVault(server, { roleId: 'role', secretId: 'secret' })
    await expectRefused(fresh, () => fresh.describeMasterKey(), 'ERR_PROVIDER_SEALED', 'unseal')
    const other = openVault(server, { name: 'vault-eu' })
    await expect(other.describeMasterKey()).rejects.toMatchObject({
      message: 'vault-eu: vault is sealed',
      details: { provider: 'vault-eu', status: 503 },
    })
    await server.unseal()
    expect(sameBytes(await unwrap(), dataKey)).toBe(true)
    await expectServes(provider)
  })

  it('a suspended server ends with the signal, and serves when it goes on', async () => {
    const provider = openVault(server)
    await expectServes(provider)
    server.suspend()
    try {
      const call = () => provider.wrapKey(dataKey, context, { signal: AbortSignal.timeout(200) })
      await expectRefused(provider, call, 'ERR_PROVIDER_TIMEOUT')
    } finally {
      server.resume()
    }
    await expectServes(provider)
  })

  it('a rate limit quota of the server itself throttles', async () => {
    const provider = openVault(server)
    await expectServes(provider)
    await server.call('POST', 'sys/quotas/rate-limit/slow', { path: 'transit', rate: 1, interval: '1s' })
    const calls = async (): Promise<void> => {
      for (let call = 0; call < 5; call++) await provider.wrapKey(dataKey, context)
    }
    await expectRefused(provider, calls, 'ERR_PROVIDER_THROTTLED', 'quota')
    await server.call('DELETE', 'sys/quotas/rate-limit/slow')
    await expectServes(provider)
  })

  it.each([
    ['throttle', 'ERR_PROVIDER_THROTTLED'],
    ['unavailable', 'ERR_PROVIDER_UNAVAILABLE'],
    ['reset', 'ERR_PROVIDER_UNAVAILABLE'],
    ['half-reply', 'ERR_PROVIDER_UNAVAILABLE'],
    ['missing-field', 'ERR_PROVIDER_CORRUPTED'],
  ] as const)('%s: %s, retryable, then served', async (fault, code) => {
    const provider = openThrough(gate, server)
    const wrapped = await provider.wrapKey(dataKey, context)
    expect(ERROR_CODES[code].retryable).toBe(true)
    for (const [operation, call] of [
      ['encrypt', () => provider.wrapKey(dataKey, context)],
      ['decrypt', () => provider.unwrapKey(wrapped, context)],
      ['keys', () => provider.describeMasterKey()],
    ] as const) {
      gate.faults.inject(fault, { operation })
      await expectRefused(provider, call, code)
      await call()
    }
    expect(gate.faults.pending).toBe(0)
  })

  it('an expired token is asked about once, and the call is repeated', async () => {
    const provider = openThrough(gate, server)
    await expectServes(provider)
    gate.faults.inject('expired-token', { operation: 'decrypt' })
    const wrapped = await provider.wrapKey(dataKey, context)
    // The server says that the token is good after all: then it is the policies.
    await expectRefused(provider, () => provider.unwrapKey(wrapped, context), 'ERR_PROVIDER_DENIED')
    await expectServes(provider)
  })

  it('a damaged wrap, and one under another key, do not open', async () => {
    const provider = openThrough(gate, server)
    await expectServes(provider)
    for (const fault of ['wrong-checksum', 'other-key'] as const) {
      gate.faults.inject(fault, { operation: 'encrypt' })
      const wrapped = await provider.wrapKey(dataKey, context)
      await expectRefused(provider, () => provider.unwrapKey(wrapped, context), 'ERR_UNWRAP_FAILED')
    }
  })

  it('a call that is aborted on its way ends, and leaves the others alone', async () => {
    const provider = openThrough(gate, server)
    await expectServes(provider)
    gate.faults.inject('hang', { operation: 'encrypt' })
    const controller = new AbortController()
    const hanging = provider.wrapKey(dataKey, context, { signal: controller.signal })
    await vi.waitFor(() => expect(gate.faults.pending).toBe(0))
    const others = Array.from({ length: 5 }, () => expectServes(provider))
    controller.abort(new Error('a reason that nobody needs to see'))
    await expectRefused(provider, () => hanging, 'ERR_ABORTED')
    await Promise.all(others)
  })
})
