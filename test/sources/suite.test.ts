/** The suite itself: it passes a sound source, and fails one for each fault that would lose or reveal values. */
import { describe, expect, it } from 'vitest'
import memorySource, { type MemorySource } from '../../sources/memory.ts'
import { KeywrightError } from '../../src/errors.ts'
import type { KeysQuery, PageQuery, WriteRequest } from '../../src/source.ts'
import type { SourceBed } from '../../src/testing/conformance/source-kit.ts'
import { runSourceConformance, sourceCases } from '../../src/testing/conformance/source-suite.ts'

type Fault = (sound: MemorySource) => Partial<SourceBed['source']>

const isPage = (query: PageQuery | KeysQuery): query is PageQuery => !('keys' in query)

/** Titles of the tests that fail. */
async function failing(fault: Fault, skips: readonly string[] = []): Promise<string[]> {
  const tests: [title: string, run: () => Promise<void>][] = []
  runSourceConformance(
    'faulty',
    {
      open: async () => {
        const sound = memorySource()
        const { checkpoints, name } = sound
        const source = {
          name,
          checkpoints,
          describe: sound.describe.bind(sound),
          read: sound.read.bind(sound),
          write: sound.write.bind(sound),
          split: sound.split?.bind(sound),
          close: sound.close?.bind(sound),
          ...fault(sound),
        } as SourceBed['source']
        return {
          source,
          put: async (rows) => {
            for (const { bytes = null, id, text } of rows) sound.put({ id, text, bytes })
          },
          remove: async (ids) => {
            for (const id of ids) sound.remove(id)
          },
          columns: { id: 'id', text: 'text', bytes: 'bytes' },
        }
      },
    },
    {
      runner: {
        describe: (_, define) => define(),
        it: (title, run) => tests.push([title, () => run({ skip: () => undefined })]),
        afterEach: () => undefined,
      },
      skips: skips.length === 0 ? [] : [{ reason: 'asked for', tests: skips }],
    },
  )
  const failed: string[] = []
  for (const [title, run] of tests) await run().catch(() => failed.push(title))
  return failed
}

describe('the conformance suite of sources', () => {
  it('passes a sound source', async () => {
    expect(await failing(() => ({}))).toEqual([])
    expect(new Set(sourceCases()).size).toBe(sourceCases().length)
  })

  it.each<[fault: string, title: string, fault: Fault]>([
    [
      'skips rows by their number',
      'gives each row that stays while others come, change and go',
      (sound) => ({
        async read(query: PageQuery | KeysQuery) {
          if (!isPage(query)) return sound.read(query)
          const { columns, limit } = query
          const from = Number(query.after ?? 0)
          const all = (await sound.read({ columns, limit: 10_000 })).rows
          const rows = all.slice(from, from + limit)
          return from + limit < all.length ? { rows, next: String(from + limit) } : { rows }
        },
      }),
    ],
    [
      'writes without comparing',
      'writes what is as it was read, and tells the rest apart',
      (sound) => ({
        async write(request: WriteRequest) {
          const keys = request.rows.map(({ key }) => key)
          const { rows } = await sound.read({ columns: request.columns, keys })
          const now = new Map(rows.map(({ key, values }) => [key, values]))
          const forced = request.rows.map((row) => ({ ...row, from: now.get(row.key) ?? row.from }))
          return sound.write({ ...request, rows: forced })
        },
      }),
    ],
    [
      'compares without regard to case',
      'compares byte by byte',
      (sound) => ({
        async write(request: WriteRequest) {
          const { rows } = await sound.read({
            columns: request.columns,
            keys: request.rows.map(({ key }) => key),
          })
          const now = new Map(rows.map(({ key, values }) => [key, values]))
          const folded = request.rows.map((row) => {
            const values = now.get(row.key) ?? row.from
            const isLike = String(values[0]).toLowerCase() === String(row.from[0]).toLowerCase()
            return isLike ? { ...row, from: values } : row
          })
          return sound.write({ ...request, rows: folded })
        },
      }),
    ],
    [
      'takes no value for an empty one',
      'tells no value from an empty one',
      (sound) => ({
        async read(query: PageQuery | KeysQuery) {
          const page = await (isPage(query) ? sound.read(query) : sound.read(query))
          return {
            ...page,
            rows: page.rows.map((row) => ({ ...row, values: row.values.map((value) => value ?? '') })),
          }
        },
      }),
    ],
    [
      'writes although it was stopped',
      'stops for an aborted signal, before it does anything',
      (sound) => ({
        write: ({ signal: _, ...request }: WriteRequest) => sound.write(request),
      }),
    ],
    [
      'shows values in its errors',
      'refuses writes that cannot be, and shows no value',
      (sound) => ({
        async write(request: WriteRequest) {
          try {
            return await sound.write(request)
          } catch (error) {
            const { code, hint } = error as KeywrightError
            throw new KeywrightError(code, `refused ${JSON.stringify(request.rows)}`, { hint: hint ?? '' })
          }
        },
      }),
    ],
    [
      'forgets its checkpoints',
      'checkpoints: are written with rows, over the one before, and removed',
      (sound) => ({
        write: ({ checkpoint: _, ...request }: WriteRequest) => sound.write(request),
      }),
    ],
    [
      'leaves out the ends of its ranges',
      'cuts its rows into ranges that have all of them',
      (sound) => ({
        async read(query: PageQuery | KeysQuery) {
          if (!isPage(query)) return sound.read(query)
          const page = await sound.read(query)
          return { ...page, rows: page.rows.filter(({ key }) => key !== query.until) }
        },
      }),
    ],
  ])('fails a source that %s', async (_, title, fault) => {
    expect(await failing(fault)).toContain(title)
  })

  it('leaves out what is skipped, and refuses a skip of a test that is not there', async () => {
    expect(await failing(() => ({}), ['compares byte by byte'])).toEqual([])
    expect(await failing(() => ({}), ['no such test'])).toEqual(['skips only tests that are there'])
  })
})
