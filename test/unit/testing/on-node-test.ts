/** Both suites on the runner of Node itself; node-test.test.ts starts this by `node --test`. */
import { afterEach, describe, it } from 'node:test'
import memoryProvider from '../../../providers/memory.ts'
import type { KeyProvider } from '../../../src/provider.ts'
import { providerCases, runProviderConformance, runStoreConformance } from '../../../src/testing/index.ts'
import memoryStore from '../../../stores/memory.ts'

const runner = { afterEach, describe, it }
/** With the variable set, a provider that announces what is not there. */
const open = (): KeyProvider => {
  const provider = memoryProvider()
  if (process.env['BROKEN_PROVIDER'] === undefined) return provider
  return { ...provider, capabilities: { ...provider.capabilities, rewraps: false } }
}
const titles = providerCases()

runProviderConformance(
  'memory',
  { open: async () => [open(), open()] },
  {
    runner,
    skips: [
      {
        reason: 'the master key is nowhere else',
        tests: [
          'a pinned version wraps under it',
          'a new client opens what the former one wrapped',
          'a second client sees the rotation of the first',
          'works after a failed start',
          ...titles.slice(titles.indexOf('a disabled master key refuses, an enabled one serves again')),
        ],
      },
    ],
  },
)

let last = memoryStore()
runStoreConformance(
  'memory',
  {
    async open() {
      last = memoryStore()
      return last
    },
    reopen: async () => last,
  },
  { runner },
)
