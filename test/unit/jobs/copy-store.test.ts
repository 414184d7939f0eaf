/** Copying a store: what is copied, what is refused, and what happens to those that are stopped or changed meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { type CopyProgress, type CopyStoreOptions, copyStore } from '../../../src/jobs/copy-store.ts'
import { digestOf } from '../../../src/jobs/digest.ts'
import type { KeyRecord, KeyStore } from '../../../src/store.ts'
import { EDGE_RECORDS } from '../../../src/testing/conformance/store-cases.ts'
import { inOrder, listAll, recordOf, wrapOf } from '../../../src/testing/conformance/store-records.ts'
import memoryStore from '../../../stores/memory.ts'
import openSqliteStore from '../../../stores/sqlite.ts'

const installation = '6f1d7c0e-3f6a-4f0e-9a53-0a2d1c9be001'
const folders: string[] = []
const opened: KeyStore[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close?.()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const newPath = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-copy-'))
  folders.push(folder)
  return join(folder, 'keys.db')
}
const sqlite = async (path = newPath()): Promise<KeyStore> => {
  const store = await openSqliteStore({ path, create: true, installation })
  opened.push(store)
  return store
}
/** Memory stores share one location, so one of them gets another name. */
const memory = (name = 'memory:source'): KeyStore => {
  const store = memoryStore({ installation })
  return { ...store, describe: async () => ({ ...(await store.describe()), location: name }) }
}
const fill = async (store: KeyStore, records: readonly KeyRecord[]): Promise<void> => {
  for (const record of records) expect(await store.insert(record)).toBe('inserted')
}
const records = async (store: KeyStore): Promise<KeyRecord[]> => (await listAll(store)).records
const some = (count: number): KeyRecord[] =>
  Array.from({ length: count }, (_, n) =>
    recordOf({
      id: n + 1,
      keyring: `k${n % 7}/ä`,
      version: n + 1,
      revision: (n % 3) + 1,
      usage: { messages: n, bytes: 2 * n },
    }),
  )
const copy = (options: Partial<CopyStoreOptions> & Pick<CopyStoreOptions, 'from' | 'to'>) =>
  copyStore(options)
const failure = (code: string) => expect.objectContaining({ code, hint: expect.stringMatching(/\w{3,} \w/) })

describe('a copy', () => {
  it('has every record, with wraps, commitment, MAC, usage and revision, and the installation', async () => {
    const [from, to] = [await sqlite(), await sqlite()]
    const edges = Object.values(EDGE_RECORDS).map((record, n) => ({
      ...record,
      id: 1000 + n,
      version: 5000 + n,
    }))
    await fill(from, [...some(600), ...edges])
    const report = await copy({ from, to })
    expect(await records(to)).toEqual(await records(from))
    expect(report).toMatchObject({
      job: 'copy-store',
      outcome: 'finished',
      records: 605,
      inserted: 605,
      updated: 0,
      usageRaised: 0,
      alike: 0,
      passes: 2,
      resumed: false,
      installation,
    })
    const { digest, ...rest } = report
    expect(digestOf(rest)).toBe(digest)
    expect(await to.documents?.list('')).toEqual([])
  })

  it('is not made again', async () => {
    const [from, to] = [await sqlite(), await sqlite()]
    await fill(from, some(20))
    await copy({ from, to })
    expect(await copy({ from, to })).toMatchObject({ inserted: 0, alike: 20, records: 20, passes: 1 })
  })

  it('follows its original: revisions, tombstones, usage', async () => {
    const [from, to] = [await sqlite(), memory()]
    await fill(from, some(10))
    await copy({ from, to })
    const first = await from.get(1)
    if (first === undefined) throw new Error('no first record')
    await from.update({ ...first, status: 'suspended', statusAt: first.statusAt + 5, revision: 2 })
    await from.update({ ...first, status: 'destroyed', statusAt: first.statusAt + 9, wraps: [], revision: 3 })
    await from.update({ ...some(2)[1], wraps: [wrapOf('vault', 3)], revision: 3 } as KeyRecord)
    await from.addUsage(2, { messages: 5, bytes: 6 }, 100)
    await from.addUsage(3, { messages: 5, bytes: 6 }, 100)
    expect(await copy({ from, to })).toMatchObject({
      updated: 2,
      usageRaised: 1,
      alike: 7,
      outcome: 'finished',
    })
    expect(await records(to)).toEqual(await records(from))
  })

  it('never has less usage than its original, and keeps what it has more', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, [recordOf({ usage: { messages: 50, bytes: 9 } })])
    await copy({ from, to })
    await from.addUsage(1, { messages: -20, bytes: 4 }, 100)
    expect(await copy({ from, to })).toMatchObject({ outcome: 'finished', usageRaised: 1 })
    expect((await to.get(1))?.usage).toEqual({ messages: 50, bytes: 13 })
  })

  it('is counted and not made in a dry run', async () => {
    const [from, to] = [await sqlite(), await sqlite()]
    await fill(from, some(9))
    await fill(to, some(3))
    await from.addUsage(2, { messages: 1, bytes: 1 }, 100)
    const report = await copy({ from, to, dryRun: true })
    expect(report).toMatchObject({
      outcome: 'dry-run',
      inserted: 6,
      usageRaised: 1,
      alike: 2,
      records: 9,
      passes: 0,
    })
    expect(await records(to)).toEqual(inOrder(some(3)))
    expect(await to.documents?.list('')).toEqual([])
  })

  it('of an empty store is empty', async () => {
    const report = await copy({ from: memory(), to: await sqlite() })
    expect(report).toMatchObject({ outcome: 'finished', records: 0, inserted: 0, passes: 1 })
  })

  it('tells how far it is', async () => {
    const from = memory()
    await fill(from, some(30))
    const seen: CopyProgress[] = []
    await copy({ from, to: await sqlite(), onProgress: (progress) => seen.push(progress) })
    expect(seen.filter(({ pass }) => pass === 0)).toHaveLength(30)
    expect(seen.at(-1)).toEqual({ pass: 2, done: 30, total: 30 })
  })

  it('is announced before its first write, and its end told', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(2))
    const events: unknown[] = []
    const audit: CopyStoreOptions['audit'] = {
      async append(event) {
        events.push([event, (await records(to)).length])
        return []
      },
    }
    await copy({ from, to, audit })
    expect(events).toMatchObject([
      [{ event: 'job.start', details: { job: 'copy-store', from: 'memory:source' } }, 0],
      [{ event: 'job.finish', details: { outcome: 'finished', inserted: 2 } }, 2],
    ])
    const down = async (): Promise<never> => {
      throw new Error('the audit log is down')
    }
    const empty = await sqlite()
    await expect(copy({ from, to: empty, audit: { append: down } })).rejects.toThrow('the audit log is down')
    expect(await records(empty)).toEqual([])
  })

  it('is like its original for any two that only lag behind', async () => {
    const member = fc.record({
      version: fc.integer({ min: 1, max: 12 }),
      keyring: fc.constantFrom('a', 'ä', 'Z', '\u{1F511}', '\uFFFD'),
      messages: fc.nat(50),
      revision: fc.integer({ min: 1, max: 4 }),
      lag: fc.nat(3),
      copied: fc.boolean(),
    })
    const many = fc.uniqueArray(member, {
      maxLength: 25,
      selector: ({ keyring, version }) => `${keyring} ${version}`,
    })
    await fc.assert(
      fc.asyncProperty(many, async (members) => {
        const [from, to] = [memory(), memory('memory:target')]
        for (const [n, { keyring, version, messages, revision, lag, copied }] of members.entries()) {
          const at = (rev: number) => ({ revision: rev, statusAt: rev, statusReason: `r${rev}` })
          const base = { id: n + 1, keyring, version }
          await from.insert(recordOf({ ...base, ...at(revision), usage: { messages, bytes: messages } }))
          const older = Math.max(1, revision - lag)
          if (copied) await to.insert(recordOf({ ...base, ...at(older), usage: { messages: 0, bytes: 0 } }))
        }
        expect(await copy({ from, to, concurrency: 3 })).toMatchObject({ outcome: 'finished' })
        expect(await records(to)).toEqual(await records(from))
      }),
      { numRuns: 60 },
    )
  })
})

describe('a copy is refused, and nothing is changed', () => {
  const original = recordOf({ id: 5, version: 3, revision: 3, statusAt: 1000 })
  it.each<[string, Partial<KeyRecord>[]]>([
    ['another key in the same place', [{ commitment: new Uint8Array(32).fill(9) }]],
    ['another MAC', [{ mac: new Uint8Array(32).fill(9) }]],
    ['another id', [{ id: 6 }]],
    ['another date of birth', [{ createdAt: 5 }]],
    ['a newer revision', [{ revision: 4 }]],
    ['other wraps at the same revision', [{ wraps: [wrapOf('vault', 1)] }]],
    ['another order of wraps at the same revision', [{ wraps: [wrapOf('vault', 1), wrapOf('file', 5)] }]],
    ['another status at the same revision', [{ status: 'suspended' }]],
    ['a later change of status under an older revision', [{ revision: 2, statusAt: 1001 }]],
    ['a key that was destroyed there', [{ revision: 2, status: 'destroyed', wraps: [], statusAt: 900 }]],
    ['a key that was compromised there', [{ revision: 2, status: 'compromised', statusAt: 900 }]],
    ['a key that the source has not', [{}, { id: 77, version: 99 }]],
    ['the id of another key', [{ id: 5, version: 4 }]],
  ])('for a target with %s', async (_, changes) => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, [...some(4), original])
    await fill(
      to,
      changes.map((change) => ({ ...original, ...change })),
    )
    const before = await records(to)
    const error = await copy({ from, to }).catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure('ERR_STORE_CONFLICT'))
    expect((error as Error).message).toContain('(key ')
    await expect(copy({ from, to, dryRun: true })).rejects.toEqual(failure('ERR_STORE_CONFLICT'))
    expect(await records(to)).toEqual(before)
    expect(await to.documents?.list('')).toEqual([])
  })

  it('for a target of another installation, even an empty one', async () => {
    const from = memory()
    await fill(from, some(1))
    const to = memoryStore()
    await expect(copy({ from, to })).rejects.toEqual(failure('ERR_STORE_FOREIGN'))
    expect(await records(to)).toEqual([])
  })

  it('onto itself, by whatever address', async () => {
    const path = newPath()
    const [one, same] = [await sqlite(path), await sqlite(path)]
    await fill(one, some(3))
    const refused = failure('ERR_ARGUMENT_INVALID')
    await expect(copy({ from: one, to: one })).rejects.toEqual(refused)
    await expect(copy({ from: one, to: same })).rejects.toEqual(refused)
    const alias = {
      ...same,
      describe: async () => ({ ...(await same.describe()), location: 'sqlite:/alias' }),
    }
    await expect(copy({ from: one, to: alias })).rejects.toEqual(refused)
    expect(await one.documents?.list('')).toEqual([])
  })

  it.each([{ concurrency: 0 }, { concurrency: 65 }, { maxPasses: 1 }, { maxPasses: 1.5 }])(
    'with %o',
    async (options) => {
      const refused = copy({ from: memory(), to: memory('memory:target'), ...options })
      await expect(refused).rejects.toEqual(failure('ERR_ARGUMENT_INVALID'))
    },
  )
})

describe('a copy that is disturbed', () => {
  it('goes on when it is run again, and counts the whole', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(40))
    let left = 15
    const failing: KeyStore = {
      ...to,
      insert: async (record) => {
        if (left-- <= 0) throw new Error('the network is gone')
        return to.insert(record)
      },
    }
    await expect(copy({ from, to: failing })).rejects.toThrow('the network is gone')
    expect((await records(to)).length).toBeGreaterThan(10)
    const report = await copy({ from, to })
    expect(report).toMatchObject({ outcome: 'finished', resumed: true, records: 40 })
    expect(await records(to)).toEqual(await records(from))
  })

  it('stops when it is told to, between two records', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(40))
    const stop = new AbortController()
    const onProgress = ({ pass, done }: CopyProgress): void => {
      if (pass === 1 && done === 10) stop.abort()
    }
    await expect(copy({ from, to, onProgress, signal: stop.signal })).rejects.toEqual(failure('ERR_ABORTED'))
    const half = (await records(to)).length
    expect(half).toBeGreaterThanOrEqual(10)
    expect(half).toBeLessThan(40)
    expect(await copy({ from, to })).toMatchObject({ outcome: 'finished', resumed: true })
  })

  it('copies again what the source changed meanwhile, wherever it is', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(50))
    let calls = 0
    const busy: KeyStore = {
      ...to,
      insert: async (record) => {
        calls++
        if (calls === 25) {
          const [first, last] = [await from.get(1), await from.get(50)]
          for (const one of [first, last]) {
            if (one === undefined) throw new Error('no record')
            await from.update({ ...one, statusReason: 'meanwhile', revision: one.revision + 1 })
          }
          await from.insert(recordOf({ id: 900, keyring: 'a', version: 1 }))
          await from.insert(recordOf({ id: 901, keyring: 'z', version: 1 }))
          await from.addUsage(2, { messages: 7, bytes: 7 }, 1e6)
        }
        return to.insert(record)
      },
    }
    const report = await copy({ from, to: busy })
    expect(report).toMatchObject({ outcome: 'finished', records: 52, inserted: 52 })
    expect(report.passes).toBeGreaterThan(2)
    expect(await records(to)).toEqual(await records(from))
  })

  it('says so when the source never comes to rest', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(3))
    const busy: KeyStore = {
      ...from,
      list: async (query) => {
        await from.addUsage(1, { messages: 1, bytes: 1 }, 1e9)
        return from.list(query)
      },
    }
    expect(await copy({ from: busy, to, maxPasses: 3 })).toMatchObject({ outcome: 'changing', passes: 3 })
    expect(await copy({ from, to })).toMatchObject({ outcome: 'finished', resumed: true })
  })

  it('stops at what somebody else writes into the target', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(10))
    const disturbed: KeyStore = {
      ...to,
      insert: async (record) => {
        if (record.id === 4) await to.insert({ ...record, commitment: new Uint8Array(32).fill(1) })
        return to.insert(record)
      },
    }
    await expect(copy({ from, to: disturbed })).rejects.toMatchObject({
      code: 'ERR_STORE_CONFLICT',
      details: { keyId: 4 },
    })
  })

  it('notices a target that does not give back what it was given', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(5))
    const forgetful: KeyStore = {
      ...to,
      insert: (record) => to.insert(record.id === 3 ? { ...record, mac: new Uint8Array(32) } : record),
    }
    await expect(copy({ from, to: forgetful })).rejects.toEqual(failure('ERR_STORE_CONFLICT'))
  })

  it('waits for no other one, and takes over from one that is gone', async () => {
    const [from, to] = [memory(), await sqlite()]
    await fill(from, some(30))
    let [entered, release] = [() => {}, () => {}]
    const inside = new Promise<void>((resolve) => {
      entered = resolve
    })
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow: KeyStore = {
      ...to,
      insert: async (record) => {
        entered()
        await held
        return to.insert(record)
      },
    }
    const first = copy({ from, to: slow }).catch(({ code }) => code)
    await inside
    await expect(copy({ from, to })).rejects.toEqual(failure('ERR_JOB_RUNNING'))
    expect(await copy({ from, to, takeOver: true })).toMatchObject({ outcome: 'finished', records: 30 })
    release()
    // It has lost the lease; whether it noticed before there was nothing left to do is a matter of time.
    const outcome = await first
    expect(typeof outcome === 'string' ? outcome : outcome.outcome).toMatch(/^(ERR_JOB_RUNNING|finished)$/)
    expect(await records(to)).toEqual(await records(from))
  })
})
