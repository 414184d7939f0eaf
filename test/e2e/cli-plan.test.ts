import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import memoryProvider from '../../providers/memory.ts'
import { createKeywright, parsePolicy } from '../../src/index.ts'
import memoryStore from '../../stores/memory.ts'
import { Workplace } from './cli-kit.ts'

const NEW_POLICY = { keyTypes: { pii: { rotation: { age: '30d' } } } }

let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  await place.init()
  await place.encrypt('x', '--key-type', 'pii')
})
afterEach(() => place.leave())

it('a document that leaves the provider to the environment removes none', async () => {
  writeFileSync('new.json', JSON.stringify(NEW_POLICY))
  const env = { ENCRYPTION_KEY_STORAGE_BACKEND: 'file' }
  const { code, out, err } = await place.keywright(['plan', 'new.json'], { env })
  expect(code, err).toBe(0)
  expect(out).toBe('pii: changed, 1 key\n  rotation.age: 180 days -> 30 days\n')
})

it('the document in force changes nothing', async () => {
  const { out } = await place.keywright(['plan', 'config/encryption.json'])
  expect(out).toBe('nothing would change\n')
})

it('the library plans for the providers that it has', async () => {
  const kw = await createKeywright({ provider: memoryProvider(), store: memoryStore() })
  await kw.encrypt('pii', 'x')
  const plan = await kw.plan(await parsePolicy(NEW_POLICY, { provider: 'memory' }))
  expect(plan.keyTypes.map(({ keyType, keys, moveProvider }) => [keyType, keys, moveProvider])).toEqual([
    ['pii', 1, 0],
  ])
  expect([plan.settings, plan.warnings]).toEqual([[], []])
  expect((await kw.plan(await parsePolicy({}, { provider: 'memory' }))).isEmpty).toBe(true)
  await kw.close()
})
