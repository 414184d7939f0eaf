/** The contract of a key store for one record: what is kept, refused, updated and counted. */
import assert from 'node:assert/strict'
import type { KeyRecord, KeyStore, KeyUsage } from '../../store.ts'
import { BAD_MEMBERS, EDGE_RECORDS, USAGE_CASES } from './store-cases.ts'
import { assertError, assertLastPage, assertRejects, type Check } from './store-kit.ts'
import { recordOf, wrapOf } from './store-records.ts'

const REFUSED = { code: 'ERR_ARGUMENT_INVALID' } as const

export function checkBasics(check: Check): void {
  check('describes itself', async (store) => {
    const description = await store.describe()
    assert.match(description.installation, /^[0-9a-f-]{36}$/)
    assert.notEqual(description.location, '', 'the location is empty')
    assert.ok(description.schemaVersion > 0, 'the schema version is not above 0')
    assert.ok(Array.isArray(description.warnings), 'warnings are not an array')
    assert.equal((await store.describe()).installation, description.installation)
  })

  check('has nothing when it is new', async (store) => {
    assert.equal(await store.get(1), undefined)
    assertLastPage(await store.list(), [])
  })

  check('finds nothing under what cannot be an id', async (store) => {
    await store.insert(recordOf())
    for (const id of [0, -1, 1.5, 2 ** 32, 2 ** 32 + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.equal(await store.get(id), undefined, `get(${id})`)
      assert.equal(await store.addUsage(id, { messages: 1, bytes: 1 }, 10), undefined, `addUsage(${id})`)
    }
  })

  for (const [title, record] of Object.entries(EDGE_RECORDS)) {
    check(`gives back exactly what was inserted: ${title}`, async (store) => {
      assert.equal(await store.insert(record), 'inserted')
      assert.deepEqual(await store.get(record.id), record)
      assertLastPage(await store.list(), [record])
    })
  }

  check('refuses a second record with the same id', async (store) => {
    await store.insert(recordOf({ id: 9 }))
    assert.equal(await store.insert(recordOf({ id: 9, keyring: 'other' })), 'id-taken')
    assert.deepEqual(await store.get(9), recordOf({ id: 9 }))
  })

  check('refuses a second record with the same version in a keyring', async (store) => {
    await store.insert(recordOf({ id: 9 }))
    assert.equal(await store.insert(recordOf({ id: 10 })), 'version-taken')
    assert.equal(await store.get(10), undefined)
    assert.equal(await store.insert(recordOf({ id: 10, version: 2 })), 'inserted')
    assert.equal(await store.insert(recordOf({ id: 11, keyring: 'PII' })), 'inserted')
  })

  check('says version-taken when both are', async (store) => {
    await store.insert(recordOf({ id: 9 }))
    assert.equal(await store.insert(recordOf({ id: 9, statusReason: 'again' })), 'version-taken')
    await store.insert(recordOf({ id: 10, version: 2 }))
    assert.equal(await store.insert(recordOf({ id: 10 })), 'version-taken')
  })

  check('shares no memory with its callers', async (store) => {
    const inserted = recordOf({ id: 3 })
    await store.insert(inserted)
    scribble(inserted)
    const updated = recordOf({ id: 3, wraps: [wrapOf('vault', 8)], revision: 2 })
    scribble((await store.get(3)) ?? inserted)
    scribble((await store.list()).records[0] ?? inserted)
    assert.deepEqual(await store.get(3), recordOf({ id: 3 }))
    await store.update(updated)
    scribble(updated)
    assert.deepEqual(await store.get(3), recordOf({ id: 3, wraps: [wrapOf('vault', 8)], revision: 2 }))
    const grant = await store.addUsage(3, { messages: 1, bytes: 1 }, 10)
    Object.assign(grant?.usage ?? {}, { messages: 99 })
    assert.deepEqual((await store.get(3))?.usage, { messages: 1, bytes: 1 })
  })

  check('closes twice, and then refuses', async (store) => {
    await store.insert(recordOf())
    await store.close?.()
    await store.close?.()
    if (store.close === undefined) return
    const closed = { code: 'ERR_CLOSED' }
    await assertRejects(store.get(1), closed, 'get')
    await assertRejects(store.list(), closed, 'list')
    await assertRejects(store.describe(), closed, 'describe')
    await assertRejects(store.insert(recordOf()), closed, 'insert')
    await assertRejects(store.update(recordOf({ revision: 2 })), closed, 'update')
    await assertRejects(store.addUsage(1, { messages: 1, bytes: 1 }, 10), closed, 'addUsage')
    const addUsageSync = store.addUsageSync?.bind(store)
    if (addUsageSync === undefined) return
    assert.throws(
      () => addUsageSync(1, { messages: 1, bytes: 1 }, 10),
      (error) => {
        assertError(error, closed, 'addUsageSync')
        return true
      },
    )
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
      const refusal = { ...REFUSED, details: { member } }
      await assertRejects(store.insert(record), refusal, `insert with a bad ${member}`)
      await assertRejects(store.update(record), refusal, `update with a bad ${member}`)
    }
    assertLastPage(await store.list(), [])
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
    for (const [place, [add, limit]] of bad.entries()) {
      await assertRejects(store.addUsage(1, add, limit), REFUSED, `case ${place}`)
    }
    assert.deepEqual((await store.get(1))?.usage, { messages: 0, bytes: 0 })
  })

  check('refuses cursors and limits that cannot be', async (store) => {
    await store.insert(recordOf())
    await store.insert(recordOf({ id: 2, version: 2 }))
    const { next = '' } = await store.list({ limit: 1 })
    for (const after of ['', 'garbage', '%00', 'W10', `${next}A`, `${next}=`, next.slice(1), 'eyJhIjoxfQ']) {
      await assertRejects(store.list({ after }), REFUSED, `the cursor ${JSON.stringify(after)}`)
    }
    await assertRejects(store.list({ after: next, keyring: 'other' }), REFUSED, 'the cursor of another list')
    for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await assertRejects(store.list({ limit }), REFUSED, `the limit ${limit}`)
    }
    for (const keyring of ['', '\ud800']) {
      await assertRejects(store.list({ keyring }), REFUSED, `the keyring ${JSON.stringify(keyring)}`)
    }
  })
}

export function checkUpdate(check: Check): void {
  const stored = (): KeyRecord => recordOf({ id: 4, usage: { messages: 10, bytes: 20 } })

  check('updates what may change, if nobody else did', async (store) => {
    await store.insert(stored())
    const changes = {
      activatesAt: 1_800_000_000_000,
      status: 'suspended',
      statusAt: 1_700_000_100_000,
      statusReason: 'leaked?',
      wraps: [wrapOf('vault', 1), wrapOf('file', 2)],
      revision: 2,
    } as const satisfies Partial<KeyRecord>
    assert.equal(await store.update({ ...stored(), ...changes }), true)
    assert.deepEqual(await store.get(4), { ...stored(), ...changes })
    assert.equal(await store.update({ ...stored(), status: 'destroyed', wraps: [], revision: 3 }), true)
    assert.deepEqual((await store.get(4))?.wraps, [])
  })

  check('does not update over another change', async (store) => {
    await store.insert(stored())
    for (const revision of [1, 3, 4]) {
      assert.equal(await store.update({ ...stored(), status: 'suspended', revision }), false)
    }
    assert.deepEqual(await store.get(4), stored())
  })

  check('does not update what is not there', async (store) => {
    assert.equal(await store.update(recordOf({ id: 4, revision: 2 })), false)
    assert.equal(await store.get(4), undefined)
  })

  check('never updates usage or what does not change', async (store) => {
    await store.insert(stored())
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
    assert.equal(await store.update(other), true)
    assert.deepEqual(await store.get(4), { ...stored(), usage: { messages: 11, bytes: 21 }, revision: 2 })
    assertLastPage(await store.list({ keyring: 'other' }), [])
    assert.equal((await store.list({ keyring: 'pii' })).records.length, 1)
  })
}

export function checkUsage(check: Check): void {
  /** A record of its own for each case. */
  async function forEachCase(
    store: KeyStore,
    addUsage: NonNullable<KeyStore['addUsageSync']> | KeyStore['addUsage'],
  ): Promise<void> {
    for (const [place, [add, limit, granted, usage]] of USAGE_CASES.entries()) {
      const record = recordOf({ id: place + 1, version: place + 1, usage: { messages: 10, bytes: 20 } })
      await store.insert(record)
      assert.deepEqual(await addUsage(record.id, add, limit), { granted, usage }, `case ${place}`)
      assert.deepEqual(await store.get(record.id), { ...record, usage }, `case ${place}: what is stored`)
    }
    assert.equal(await addUsage(999, { messages: 1, bytes: 1 }, 10), undefined)
  }

  check('grants usage up to the limit, and takes it back', (store) =>
    forEachCase(store, store.addUsage.bind(store)),
  )

  check('grants the same without waiting, where it can', async (store, _, skip) => {
    const addUsage = store.addUsageSync?.bind(store)
    if (addUsage === undefined) return skip('the store cannot answer without waiting')
    assert.ok(!(addUsage(999, { messages: 1, bytes: 1 }, 10) instanceof Promise), 'it gave a promise')
    await forEachCase(store, addUsage)
  })

  check('counts usage of a key in any status', async (store) => {
    await store.insert(recordOf({ status: 'destroyed', wraps: [] }))
    const grant = await store.addUsage(1, { messages: 0, bytes: 9 }, 10)
    assert.deepEqual(grant?.usage, { messages: 0, bytes: 9 })
  })
}
