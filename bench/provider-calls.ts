/** How often is the provider asked? A million encryptions and a million decryptions under one keyring. */
import memoryProvider from '../providers/memory.ts'
import { createKeywright } from '../src/index.ts'
import { openStore } from '../stores/index.ts'

const MILLION = 1_000_000

export async function run(): Promise<void> {
  const kw = await createKeywright({ provider: memoryProvider(), store: await openStore('memory:') })
  const field = kw.field('users.email')
  let last = ''
  for (let count = 0; count < MILLION; count++) last = await field.encrypt('someone@example.org')
  for (let count = 0; count < MILLION; count++) await field.decrypt(last)
  const { wraps = 0, unwraps = 0 } = kw.counters()['memory'] ?? {}
  console.log(`\nprovider calls for 10^6 encryptions and 10^6 decryptions: ${wraps + unwraps}   goal ≤ 2`)
  await kw.close()
}
