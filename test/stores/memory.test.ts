import { describe, expect, it } from 'vitest'
import memoryStore from '../../stores/memory.ts'
import { runStoreConformance } from '../conformance/store.ts'
import { recordOf } from './support/records.ts'

let last = memoryStore()
runStoreConformance('memory', {
  open: async () => {
    last = memoryStore()
    return last
  },
  reopen: async () => last, // two clients of a store in one process hold the same object
})

describe('memory store', () => {
  it('warns that nothing is kept', async () => {
    const description = await memoryStore().describe()
    expect(description.location).toBe('memory:')
    expect(description.warnings.join()).toContain('in memory only')
  })

  it('shares nothing with another store', async () => {
    const [a, b] = [memoryStore(), memoryStore()]
    await a.insert(recordOf())
    expect(await b.get(1)).toBeUndefined()
    expect((await a.describe()).installation).not.toBe((await b.describe()).installation)
  })
})
