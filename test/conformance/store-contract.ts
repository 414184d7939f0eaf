/** The contract of a key store for one record: what is kept, refused, updated and counted. */
import { expect } from 'vitest'
import type { KeyRecord, KeyStore, KeyUsage } from '../../src/store.ts'
import { BAD_MEMBERS, EDGE_RECORDS, USAGE_CASES } from '../stores/support/cases.ts'
import { recordOf, wrapOf } from '../stores/support/records.ts'

/** Opens a fresh, empty store that is closed after the test. */
export type Open = () => Promise<KeyStore>
/** Registers a test, which gets a fresh store; unless the harness skips it. */
export type Check = (
  title: string,
  run: (store: KeyStore, open: Open, skip: (reason: string) => void) => Promise<void>,
) => void

export function checkBasics(check: Check): void {
  check('describes itself', async (store) => {
    const description = await store.describe()
    expect(description.installation).toMatch(/^[0-9a-f-]{36}$/)
    expect(description.location).not.toBe('')
    expect(description.schemaVersion).toBeGreaterThan(0)
    expect(description.warnings).toBeInstanceOf(Array)
    expect((await store.describe()).installation).toBe(description.installation)
  })

  check('has nothing when it is new', async (store) => {
    expect(await store.get(1)).toBeUndefined()
    expect(await store.list()).toEqual({ records: [] })
  })

  check('finds nothing under what cannot be an id', async (store) => {
    await store.insert(recordOf())
    for (const id of [0, -1, 1.5, 2 ** 32, 2 ** 32 + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await store.get(id)).toBeUndefined()
      expect(await store.addUsage(id, { messages: 1, bytes: 1 }, 10)).toBeUndefined()
    }
  })

  for (const [title, record] of Object.entries(EDGE_RECORDS)) {
    check(`gives back exactly what was inserted: ${title}`, async (store) => {
      expect(await store.insert(record)).toBe('inserted')
      expect(await store.get(record.id)).toStrictEqual(record)
      expect((await store.list()).records).toStrictEqual([record])
    })
  }

  check('refuses a second record with the same id', async (store) => {
    await store.insert(recordOf({ id: 9 }))
    expect(await store.insert(recordOf({ id: 9, keyring: 'other' }))).toBe('id-taken')
    expect(await store.get(9)).toEqual(recordOf({ id: 9 }))
  })

  check('refuses a second record with the same version in a keyring', async (store) => {
    await store.insert(recordOf({ id: 9 }))
    expect(await store.insert(recordOf({ id: 10 }))).toBe('version-taken')
    expect(await store.get(10)).toBeUndefined()
    expect(await store.insert(recordOf({ id: 10, version: 2 }))).toBe('inserted')
    expect(await store.insert(recordOf({ id: 11, keyring: 'PII' }))).toBe('inserted')
  })

  check('says version-taken when both are', async (store) => {
    await store.insert(recordOf({ id: 9 }))
    expect(await store.insert(recordOf({ id: 9, statusReason: 'again' }))).toBe('version-taken')
    await store.insert(recordOf({ id: 10, version: 2 }))
    expect(await store.insert(recordOf({ id: 10 }))).toBe('version-taken')
  })

  check('shares no memory with its callers', async (store) => {
    const inserted = recordOf({ id: 3 })
    await store.insert(inserted)
    scribble(inserted)
    const updated = recordOf({ id: 3, wraps: [wrapOf('vault', 8)], revision: 2 })
    scribble((await store.get(3)) ?? inserted)
    scribble((await store.list()).records[0] ?? inserted)
    expect(await store.get(3)).toEqual(recordOf({ id: 3 }))
    await store.update(updated)
    scribble(updated)
    expect(await store.get(3)).toEqual(recordOf({ id: 3, wraps: [wrapOf('vault', 8)], revision: 2 }))
    const grant = await store.addUsage(3, { messages: 1, bytes: 1 }, 10)
    Object.assign(grant?.usage ?? {}, { messages: 99 })
    expect((await store.get(3))?.usage).toEqual({ messages: 1, bytes: 1 })
  })

  check('closes twice, and then refuses', async (store) => {
    await store.insert(recordOf())
    await store.close?.()
    await store.close?.()
    if (store.close === undefined) return
    const closed = expect.objectContaining({ code: 'ERR_CLOSED', hint: expect.any(String) })
    await expect(store.get(1)).rejects.toEqual(closed)
    await expect(store.list()).rejects.toEqual(closed)
    await expect(store.describe()).rejects.toEqual(closed)
    await expect(store.insert(recordOf())).rejects.toEqual(closed)
    await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(closed)
    await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 10)).rejects.toEqual(closed)
    if (store.addUsageSync === undefined) return
    expect(() => store.addUsageSync?.(1, { messages: 1, bytes: 1 }, 10)).toThrow(closed)
  })
}

/** Overwrites everything a caller can reach. */
function scribble(record: KeyRecord): void {
  record.commitment.fill(0xee)
  record.mac.fill(0xee)
  for (const wrap of record.wraps) wrap.ciphertext.fill(0xee)
  ;(record.wraps as KeyRecord['wraps'][number][]).length = 0
  Object.assign(record.usage, { messages: 12_345 })
  Object.assign(record, { status: 'destroyed', statusReason: 'scribbled' })
}

export function checkArguments(check: Check): void {
  check('refuses a record with a bad member, and names the member only', async (store) => {
    for (const [member, value] of BAD_MEMBERS) {
      const record = { ...recordOf(), [member]: value } as KeyRecord
      const refusal = { code: 'ERR_ARGUMENT_INVALID', hint: expect.any(String), details: { member } }
      await expect(store.insert(record), member).rejects.toMatchObject(refusal)
      await expect(store.update(record), member).rejects.toMatchObject(refusal)
    }
    expect(await store.list()).toEqual({ records: [] })
  })

  check('refuses usage and limits that are no counts', async (store) => {
    await store.insert(recordOf())
    const bad: [KeyUsage, number][] = [
      [{ messages: 0.5, bytes: 0 }, 10],
      [{ messages: Number.POSITIVE_INFINITY, bytes: 0 }, 10],
      [{ messages: 1, bytes: -1 }, 10],
      [{ messages: 1, bytes: Number.NaN }, 10],
      [{ messages: 1, bytes: 1 }, Number.NaN],
      [{ messages: 1, bytes: 1 }, -1],
    ]
    const refusal = { code: 'ERR_ARGUMENT_INVALID', hint: expect.any(String) }
    for (const [add, limit] of bad) {
      await expect(store.addUsage(1, add, limit)).rejects.toMatchObject(refusal)
    }
    expect((await store.get(1))?.usage).toEqual({ messages: 0, bytes: 0 })
  })

  check('refuses cursors and limits that cannot be', async (store) => {
    await store.insert(recordOf())
    await store.insert(recordOf({ id: 2, version: 2 }))
    const { next = '' } = await store.list({ limit: 1 })
    const refusal = { code: 'ERR_ARGUMENT_INVALID', hint: expect.any(String) }
    for (const after of ['', 'garbage', '%00', 'W10', `${next}A`, `${next}=`, next.slice(1), 'eyJhIjoxfQ']) {
      await expect(store.list({ after }), after).rejects.toMatchObject(refusal)
    }
    await expect(store.list({ after: next, keyring: 'other' })).rejects.toMatchObject(refusal)
    for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(store.list({ limit })).rejects.toMatchObject(refusal)
    }
    for (const keyring of ['', '\ud800']) await expect(store.list({ keyring })).rejects.toMatchObject(refusal)
  })
}

export function checkUpdate(check: Check): void {
  const stored = recordOf({ id: 4, usage: { messages: 10, bytes: 20 } })

  check('updates what may change, if nobody else did', async (store) => {
    await store.insert(stored)
    const changes = {
      activatesAt: 1_800_000_000_000,
      status: 'suspended',
      statusAt: 1_700_000_100_000,
      statusReason: 'leaked?',
      wraps: [wrapOf('vault', 1), wrapOf('file', 2)],
      revision: 2,
    } as const satisfies Partial<KeyRecord>
    expect(await store.update({ ...stored, ...changes })).toBe(true)
    expect(await store.get(4)).toStrictEqual({ ...stored, ...changes })
    expect(await store.update({ ...stored, status: 'destroyed', wraps: [], revision: 3 })).toBe(true)
    expect((await store.get(4))?.wraps).toEqual([])
  })

  check('does not update over another change', async (store) => {
    await store.insert(stored)
    for (const revision of [1, 3, 4]) {
      expect(await store.update({ ...stored, status: 'suspended', revision })).toBe(false)
    }
    expect(await store.get(4)).toEqual(stored)
  })

  check('does not update what is not there', async (store) => {
    expect(await store.update(recordOf({ id: 4, revision: 2 }))).toBe(false)
    expect(await store.get(4)).toBeUndefined()
  })

  check('never updates usage or what does not change', async (store) => {
    await store.insert(stored)
    await store.addUsage(4, { messages: 1, bytes: 1 }, 100)
    const other = recordOf({
      id: 4,
      keyring: 'other',
      version: 9,
      algorithm: 'HMAC-SHA-256',
      createdAt: 1,
      commitment: new Uint8Array(32),
      mac: new Uint8Array(32),
      usage: { messages: 0, bytes: 0 },
      revision: 2,
    })
    expect(await store.update(other)).toBe(true)
    expect(await store.get(4)).toEqual({ ...stored, usage: { messages: 11, bytes: 21 }, revision: 2 })
    expect((await store.list({ keyring: 'other' })).records).toEqual([])
    expect((await store.list({ keyring: 'pii' })).records).toHaveLength(1)
  })
}

export function checkUsage(check: Check): void {
  check('grants usage up to the limit, and takes it back', async (store) => {
    for (const [place, [add, limit, granted, usage]] of USAGE_CASES.entries()) {
      const record = recordOf({ id: place + 1, version: place + 1, usage: { messages: 10, bytes: 20 } })
      await store.insert(record)
      expect(await store.addUsage(record.id, add, limit), `case ${place}`).toEqual({ granted, usage })
      expect(await store.get(record.id)).toEqual({ ...record, usage })
    }
    expect(await store.addUsage(999, { messages: 1, bytes: 1 }, 10)).toBeUndefined()
  })

  check('grants the same without waiting, where it can', async (store, _, skip) => {
    if (store.addUsageSync === undefined) return skip('the store cannot answer without waiting')
    for (const [place, [add, limit, granted, usage]] of USAGE_CASES.entries()) {
      const record = recordOf({ id: place + 1, version: place + 1, usage: { messages: 10, bytes: 20 } })
      await store.insert(record)
      expect(store.addUsageSync(record.id, add, limit), `case ${place}`).toEqual({ granted, usage })
      expect((await store.get(record.id))?.usage).toEqual(usage)
    }
    expect(store.addUsageSync(999, { messages: 1, bytes: 1 }, 10)).toBeUndefined()
  })

  check('counts usage of a key in any status', async (store) => {
    await store.insert(recordOf({ status: 'destroyed', wraps: [] }))
    expect((await store.addUsage(1, { messages: 0, bytes: 9 }, 10))?.usage).toEqual({ messages: 0, bytes: 9 })
  })
}
