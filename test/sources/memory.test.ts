import { afterEach, describe, expect, it } from 'vitest'
import memorySource from '../../sources/memory.ts'
import { runSourceConformance } from '../../src/testing/conformance/source-suite.ts'

runSourceConformance(
  'memory',
  {
    open: async () => {
      const source = memorySource()
      return {
        source,
        reopen: async () => source, // two clients of rows in one process hold the same object
        put: async (rows) => {
          for (const { id, text, bytes = null } of rows) source.put({ id, text, bytes })
        },
        remove: async (ids) => {
          for (const id of ids) source.remove(id)
        },
        columns: { id: 'id', text: 'text', bytes: 'bytes' },
      }
    },
  },
  { runner: { afterEach, describe, it } },
)

describe('memory source', () => {
  it('pages by a key of several columns', async () => {
    const rows = ['b', 'a'].flatMap((tenant) =>
      ['2', '1'].map((id) => ({ tenant, id, text: `${tenant}${id}` })),
    )
    const source = memorySource({ name: 'orders', key: ['tenant', 'id'], rows })
    const first = await source.read({ columns: ['text'], limit: 3 })
    const second = await source.read({ columns: ['text'], limit: 3, after: first.next })
    expect([...first.rows, ...second.rows].map(({ values }) => values[0])).toEqual(['a1', 'a2', 'b1', 'b2'])
    expect(source.remove(first.rows[0]?.key ?? '')).toBe(true)
    expect(source.rows()).toHaveLength(3)
  })

  it('refuses a row without its key', () => {
    const error = expect.objectContaining({
      code: 'ERR_SOURCE_INVALID',
      hint: expect.stringContaining('"key"'),
    })
    expect(() => memorySource({ rows: [{ text: 'x' }] })).toThrow(error)
  })

  it('gives copies, so that nobody changes its bytes from outside', async () => {
    const bytes = Uint8Array.of(1, 2)
    const source = memorySource({ rows: [{ id: '1', bytes }] })
    bytes.fill(9)
    const { rows } = await source.read({ columns: ['bytes'], limit: 1 })
    const given = rows[0]?.values[0]
    if (given instanceof Uint8Array) given.fill(7)
    expect(given).toEqual(Uint8Array.of(7, 7))
    expect(source.rows()[0]?.['bytes']).toEqual(Uint8Array.of(1, 2))
  })
})
