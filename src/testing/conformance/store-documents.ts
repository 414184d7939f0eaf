/** The contract of the documents of a key store: names and texts, compare-and-set, listing by prefix. */
import assert from 'node:assert/strict'
import type { DocumentStore, KeyStore, StoredDocument } from '../../store.ts'
import { assertRejects, type Check, type Open, type Skip } from './store-kit.ts'

const REFUSED = { code: 'ERR_ARGUMENT_INVALID' } as const
const LARGEST = 2 ** 20
const TWENTY = Array.from({ length: 20 }, (_, place) => place + 1)

const GOOD_NAMES = [
  'a',
  '0',
  'job/1',
  'copy-store',
  'lease:pii/tenant_42.x',
  'z'.repeat(200),
  'a/../b',
  'a--b',
]
const BAD_NAMES = ['', 'A', '/a', '.a', '-a', 'a b', 'a\n', 'ä', 'a\0', "a'", 'z'.repeat(201), 7, undefined]

const GOOD_TEXTS: Readonly<Record<string, string>> = {
  'an empty one': '',
  'one that wants escaping': 'l\'été \u0001\u007f\u2028 "q"\r\n%s $1 ? {} \\ \u{1F600}',
  'the largest one': 'x'.repeat(LARGEST),
  'the largest one in three-byte characters': '€'.repeat(Math.floor(LARGEST / 3)),
}
const BAD_TEXTS: readonly unknown[] = [
  'x'.repeat(LARGEST + 1),
  '€'.repeat(Math.ceil(LARGEST / 3)),
  'a\0b',
  '\ud800',
  undefined,
  7,
]

const BAD_REVISIONS: readonly unknown[] = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1']

type Run = (documents: DocumentStore, store: KeyStore, open: Open) => Promise<void>

/** Registers the tests. A store without documents skips each with that reason. */
export function checkDocuments(check: Check): void {
  const documented = (title: string, run: Run): void =>
    check(title, async (store: KeyStore, open: Open, skip: Skip) => {
      if (store.documents === undefined) return skip('the store keeps no documents')
      await run(store.documents, store, open)
    })
  checkTexts(documented)
  checkRefusals(documented)
  checkChanges(documented)
  checkPrefixes(documented)
  checkWriters(documented)
}

type Documented = (title: string, run: Run) => void

const documentOf = (members: Partial<StoredDocument> = {}): StoredDocument => ({
  name: 'job/1',
  text: 'text',
  revision: 1,
  ...members,
})

function checkTexts(check: Documented): void {
  check('documents: has none when it is new', async (documents) => {
    assert.equal(await documents.read('job/1'), undefined)
    assert.deepEqual(await documents.list(''), [])
    assert.equal(await documents.remove('job/1', 1), false)
  })

  check('documents: keeps them under any name that may be', async (documents) => {
    for (const name of GOOD_NAMES) {
      assert.equal(await documents.write(documentOf({ name, text: `of ${name}` })), true, name)
    }
    for (const name of GOOD_NAMES) {
      assert.deepEqual(await documents.read(name), documentOf({ name, text: `of ${name}` }))
    }
  })

  for (const [title, text] of Object.entries(GOOD_TEXTS)) {
    check(`documents: gives back exactly what was written: ${title}`, async (documents) => {
      assert.equal(await documents.write(documentOf({ text })), true)
      assert.deepEqual(await documents.read('job/1'), documentOf({ text }))
      assert.deepEqual(await documents.list('job/'), [documentOf({ text })])
    })
  }

  check('documents: are no records, and records no documents', async (documents, store) => {
    await documents.write(documentOf())
    assert.deepEqual((await store.list()).records, [])
    assert.equal((await documents.list('')).length, 1)
  })
}

function checkRefusals(check: Documented): void {
  check('documents: refuses names, texts and revisions that cannot be', async (documents) => {
    const write = (members: Readonly<Record<string, unknown>>): Promise<boolean> =>
      documents.write({ ...documentOf(), ...members } as StoredDocument)
    for (const name of BAD_NAMES) {
      const what = `name ${JSON.stringify(name)}`
      await assertRejects(write({ name }), { ...REFUSED, details: { member: 'name' } }, what)
      await assertRejects(documents.read(name as string), REFUSED, what)
      await assertRejects(documents.remove(name as string, 1), REFUSED, what)
    }
    for (const text of BAD_TEXTS) {
      await assertRejects(write({ text }), { ...REFUSED, details: { member: 'text' } }, 'a bad text')
    }
    for (const revision of BAD_REVISIONS) {
      await assertRejects(write({ revision }), REFUSED, `revision ${String(revision)}`)
      await assertRejects(
        documents.remove('job/1', revision as number),
        REFUSED,
        `revision ${String(revision)}`,
      )
    }
    for (const prefix of ['A', ' ', '%', '/', 'a\0', 'z'.repeat(201), undefined]) {
      await assertRejects(documents.list(prefix as string), REFUSED, `prefix ${JSON.stringify(prefix)}`)
    }
    assert.deepEqual(await documents.list(''), [])
  })

  check('documents: refuses every call after the store is closed', async (documents, store) => {
    if (store.close === undefined) return
    await store.close()
    const closed = { code: 'ERR_CLOSED' } as const
    await assertRejects(documents.read('job/1'), closed)
    await assertRejects(documents.write(documentOf()), closed)
    await assertRejects(documents.remove('job/1', 1), closed)
    await assertRejects(documents.list(''), closed)
  })
}

function checkChanges(check: Documented): void {
  check('documents: writes the next revision only', async (documents) => {
    assert.equal(await documents.write(documentOf({ revision: 2 })), false)
    assert.equal(await documents.read('job/1'), undefined)
    assert.equal(await documents.write(documentOf()), true)
    for (const revision of [1, 3, 4]) {
      assert.equal(
        await documents.write(documentOf({ text: 'other', revision })),
        false,
        `revision ${revision}`,
      )
    }
    assert.deepEqual(await documents.read('job/1'), documentOf())
    assert.equal(await documents.write(documentOf({ text: 'second', revision: 2 })), true)
    assert.deepEqual(await documents.read('job/1'), documentOf({ text: 'second', revision: 2 }))
  })

  check('documents: removes the revision that is stored only', async (documents) => {
    await documents.write(documentOf())
    await documents.write(documentOf({ text: 'second', revision: 2 }))
    for (const revision of [1, 3]) assert.equal(await documents.remove('job/1', revision), false)
    assert.equal(await documents.remove('job/2', 2), false)
    assert.equal(await documents.remove('job/1', 2), true)
    assert.equal(await documents.read('job/1'), undefined)
    assert.equal(await documents.write(documentOf({ text: 'anew' })), true)
  })
}

function checkPrefixes(check: Documented): void {
  check('documents: lists by prefix, taken literally, in the order of the names', async (documents) => {
    const names = [
      'job',
      'job.x',
      'job/1',
      'job/10',
      'job/2',
      'job_2',
      'joc',
      'jobs/1',
      'a',
      'z',
      'job:1',
      'job-1',
    ]
    for (const name of names) await documents.write(documentOf({ name }))
    const listed = async (prefix: string): Promise<string[]> =>
      (await documents.list(prefix)).map(({ name }) => name)
    assert.deepEqual(await listed(''), [...names].sort())
    assert.deepEqual(await listed('job/'), ['job/1', 'job/10', 'job/2'])
    assert.deepEqual(await listed('job_'), ['job_2'])
    assert.deepEqual(await listed('job.'), ['job.x'])
    assert.deepEqual(await listed('job'), [...names].filter((name) => name.startsWith('job')).sort())
    assert.deepEqual(await listed('job/1'), ['job/1', 'job/10'])
    assert.deepEqual(await listed('zz'), [])
  })

  check('documents: lists more than a page of anything', async (documents) => {
    const names = Array.from({ length: 1200 }, (_, place) => `many/${String(place).padStart(4, '0')}`)
    for (let from = 0; from < names.length; from += 50) {
      await Promise.all(names.slice(from, from + 50).map((name) => documents.write(documentOf({ name }))))
    }
    assert.deepEqual(
      (await documents.list('many/')).map(({ name }) => name),
      names,
    )
  })
}

function checkWriters(check: Documented): void {
  check('documents: lets one of twenty first writers win', async (documents) => {
    const won = await Promise.all(TWENTY.map((n) => documents.write(documentOf({ text: `by ${n}` }))))
    assert.equal(won.filter(Boolean).length, 1)
    assert.equal((await documents.read('job/1'))?.text, `by ${won.indexOf(true) + 1}`)
  })

  check('documents: loses no increment of a counter that twenty write', async (documents) => {
    await documents.write(documentOf({ text: '0' }))
    const increment = async (): Promise<void> => {
      for (;;) {
        const { text = '0', revision = 0 } = (await documents.read('job/1')) ?? {}
        const next = documentOf({ text: String(Number(text) + 1), revision: revision + 1 })
        if (await documents.write(next)) return
      }
    }
    await Promise.all(TWENTY.map(increment))
    assert.deepEqual(await documents.read('job/1'), documentOf({ text: '20', revision: 21 }))
  })

  check('documents: lets one of many remove or write, never both', async (documents) => {
    await documents.write(documentOf())
    const calls = TWENTY.map((n) =>
      n % 2 === 0
        ? documents.remove('job/1', 1)
        : documents.write(documentOf({ text: `by ${n}`, revision: 2 })),
    )
    assert.equal((await Promise.all(calls)).filter(Boolean).length, 1)
  })
}
