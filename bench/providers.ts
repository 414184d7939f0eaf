/**
 * What does our provider cost over the bare official client, with deadline, retries, circuit breaker and telemetry
 * around it? Each unwraps a key of 64 bytes on the same server, in turns.
 */
import { randomBytes } from 'node:crypto'
import { configure, openProvider } from '../src/compose.ts'
import { canonicalBytes } from '../src/crypto/canonical.ts'
import { ProviderCalls } from '../src/keys/provider-calls.ts'
import type { WrapContext } from '../src/provider.ts'
import { startEmulator } from '../src/testing/start.ts'
import { BARE_CLIENTS } from './bare-clients.ts'
import { interleave, printTable } from './kit.ts'

const entries = { purpose: 'bench', keyring: 'pii', key_id: '7', key_version: '1' }
const context: WrapContext = { entries, bytes: canonicalBytes(entries) }

export async function run(): Promise<void> {
  for (const name of Object.keys(BARE_CLIENTS) as (keyof typeof BARE_CLIENTS)[]) await compare(name)
}

async function compare(name: keyof typeof BARE_CLIENTS): Promise<void> {
  const emulator = await startEmulator(name, { kind: 'native' })
  const configuration = await configure({ environment: emulator.env, storeUrl: 'memory:', audit: false })
  const [planned] = configuration.providers
  if (planned === undefined) throw new Error('no provider is configured')
  const provider = await openProvider(configuration, planned, false)
  const calls = new ProviderCalls({ providers: [provider], now: Date.now })
  const bare = await BARE_CLIENTS[name](emulator.env, context)
  try {
    const wrapped = await calls.wrap(provider.name, randomBytes(32), context)
    const measured = await interleave(
      [
        { name: 'official client', run: bare.unwrap },
        { name: 'ours, with everything around it', run: () => calls.unwrap(wrapped, context) },
      ],
      101,
    )
    printTable(`unwrap on ${emulator.server}`, measured, {
      'ours, with everything around it': '≥ 0.95 (at most 1.05 × the time)',
    })
  } finally {
    await bare.close()
    await calls.close()
    await emulator.stop()
  }
}
