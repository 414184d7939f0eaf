/** Values that live where Keywright has no source for: three methods, and every job goes there too. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Source, type WriteOutcome } from 'keywright'

/** Your document database: a map, here. */
const documents = new Map<string, string>()
const toRow = (key: string) => ({ key, values: [documents.get(key) ?? null] })

const source: Source = {
  name: 'documents',
  describe: async () => ({ location: 'documents', rows: documents.size, warnings: [] }),
  async read(query) {
    if ('keys' in query) return { rows: query.keys.filter((key) => documents.has(key)).map(toRow) }
    // Page by a key that writes do not change, never by a number of rows to skip.
    const keys = [...documents.keys()].sort().filter((key) => key > (query.after ?? ''))
    const rows = keys.slice(0, query.limit).map(toRow)
    const last = rows[query.limit - 1]
    return last === undefined ? { rows } : { rows, next: last.key }
  },
  async write({ rows }) {
    // Compare and set: what the application changed since it was read stays as the application wrote it.
    return rows.map(({ from, key, to }): WriteOutcome => {
      if (!documents.has(key)) return 'gone'
      if (documents.get(key) !== from[0]) return 'changed'
      documents.set(key, String(to[0]))
      return 'written'
    })
  },
}

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
const columns = { body: { keyType: 'pii' } }
const places = [{ kind: 'rows', name: 'documents', columns, open: async () => source }] as const
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {}, places })
const body = kw.field('pii', { table: 'documents', column: 'body' })
for (let id = 100; id < 400; id++) documents.set(`${id}`, await body.encrypt(`letter ${id}`))

await kw.keys.rotate('pii', { force: true, now: true })
const report = await kw.jobs.reencrypt({ batch: 50 })
console.log(report.outcome, report.places[0]?.counts.written, 'documents')
assert.deepEqual([report.outcome, report.places[0]?.counts.written], ['finished', 300])

const census = await kw.jobs.census()
console.log(census.keys.map(({ values, version }) => `key ${version}: ${values}`).join(', '))
assert.equal(census.keys.find(({ version }) => version === 1)?.values, 0)
assert.equal(await body.decrypt(documents.get('123') ?? ''), 'letter 123')
