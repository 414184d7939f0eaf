/** Known secrets go through every path that fails; nothing that comes out of it may hold one, in any spelling. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/index.ts'
import { CanarySearch } from './canaries.ts'
import { filesOf, type Lab, openLab, SECRETS, unwrappedKeys } from './lab.ts'
import { outputOf } from './outputs.ts'
import { DATA_PATHS } from './paths-data.ts'
import { FOREIGN_PATHS } from './paths-foreign.ts'
import { POLICY_PATHS } from './paths-policy.ts'
import { SETTINGS_PATHS } from './paths-settings.ts'

let lab: Lab
let search: CanarySearch

beforeAll(async () => {
  lab = await openLab()
  search = new CanarySearch([...Object.values(SECRETS), ...(await unwrappedKeys(lab))])
})
afterAll(() => lab.close())

describe('errors hold no secret', () => {
  it.each([...SETTINGS_PATHS, ...POLICY_PATHS, ...DATA_PATHS, ...FOREIGN_PATHS])('%s', async (_, run) => {
    let error: unknown
    try {
      await run(lab)
    } catch (thrown) {
      error = thrown
    }
    expect(error, 'the path has to fail').toBeInstanceOf(KeywrightError)
    expect(search.find(outputOf(error))).toEqual([])
  })
})

describe('files hold no secret', () => {
  it('neither plaintexts nor unwrapped keys, in key file, store, log of the store and audit log', async () => {
    await lab.keywright.keys.rotate('pii', { force: true, now: true })
    await lab.keywright.keys.rotateMaster('file')
    await lab.keywright.keys.rewrap()
    search = new CanarySearch([...Object.values(SECRETS), ...(await unwrappedKeys(lab))])
    const files = filesOf(lab)
    const names = files.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['audit.jsonl', 'keys.db', 'keys.db-wal', 'master.keys']))
    for (const { name, bytes } of files) expect(search.find(bytes), name).toEqual([])
  })
})
