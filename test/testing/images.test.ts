/**
 * The provider suite on the container images, where somebody asks for it: KEYWRIGHT_TEST_CONTAINERS=1. The workflow does,
 * after it has pulled them; the images deviate from their services in what is listed here.
 */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { configure, openProvider } from '../../src/compose.ts'
import type { KeyProvider } from '../../src/provider.ts'
import type { Emulator, EmulatorName } from '../../src/testing/emulator.ts'
import { startEmulator } from '../../src/testing/start.ts'
import {
  type ConformanceSkip,
  type ProviderHarness,
  runProviderConformance,
} from '../conformance/provider.ts'

const NOT_OFFERED = [
  'a disabled master key refuses, an enabled one serves again',
  'a deleted master key has its code',
  'an unknown master key has its code',
  'a missing permission has its code',
  'an unreachable server fails with its code',
  'a hanging server ends with the signal',
  'throttled, then served',
  'credentials that expire are renewed',
  'a pinned version wraps under it',
  'works after a failed start',
]
const ELSEWHERE = 'tried on the servers and fakes that the usual run starts'
/** Lowkey Vault answers a bad ciphertext with 500 (https://github.com/nagyesta/lowkey-vault). */
const SKIPS: Partial<Record<EmulatorName, readonly ConformanceSkip[]>> = {
  'azure-key-vault': [
    {
      reason: 'Lowkey Vault answers a bad ciphertext with status 500',
      tests: [
        'a damaged ciphertext is refused with one face',
        'a wrap of another master key is refused, also under a false label',
        'a wrap opens only under the version that made it',
      ],
    },
  ],
}

async function providerOf(env: Readonly<Record<string, string>>): Promise<KeyProvider> {
  const configuration = await configure({ environment: env, storeUrl: 'memory:', audit: false })
  const [planned] = configuration.providers
  if (planned === undefined) throw new Error('no provider is configured')
  return openProvider(configuration, planned, false)
}

function suite(name: EmulatorName): void {
  describe(`${name} in a container`, () => {
    let emulator: Emulator
    beforeAll(async () => {
      emulator = await startEmulator(name, { kind: 'container', startTimeoutMs: 180_000 })
    }, 300_000)
    afterAll(() => emulator?.stop())
    let first: Readonly<Record<string, string>> = {}
    const harness: ProviderHarness = {
      async open() {
        first = (await emulator.createMasterKey()).env
        const second = (await emulator.createMasterKey()).env
        return [await providerOf(first), await providerOf(second)]
      },
      reopen: () => providerOf(first),
      secrets: () =>
        Object.entries(first).flatMap(([key, value]) =>
          /TOKEN|SECRET|MASTER_KEY$/.test(key) ? [value] : [],
        ),
    }
    runProviderConformance(`${name} (container)`, harness, [
      { reason: ELSEWHERE, tests: NOT_OFFERED },
      ...(SKIPS[name] ?? []),
    ])
  })
}

if (process.env['KEYWRIGHT_TEST_CONTAINERS'] === '1') {
  for (const name of ['redis', 'vault', 'aws-kms', 'azure-key-vault', 'gcp-kms'] as const) suite(name)
} else {
  it('the suites on container images', ({ skip }) =>
    skip('no registry is asked for images unless KEYWRIGHT_TEST_CONTAINERS=1 is set'))
}
