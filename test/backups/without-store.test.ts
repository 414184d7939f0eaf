/** Backups and the keys they need: with the store, with the providers alone, and with neither. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import memoryProvider from '../../providers/memory.ts'
import { restoreBackup } from '../../src/data/backups/reader.ts'
import { Keywright } from '../../src/keywright.ts'
import memoryStore from '../../stores/memory.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith } from '../kit/world.ts'
import { Lab, once } from './kit.ts'

let lab: Lab
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.end())

it('opens with the provider alone', async () => {
  const { id, path } = await lab.backup('app', 'ada')
  const { provider } = lab
  expect(await restoreBackup({ provider, from: path, to: lab.path('out') })).toMatchObject({ id })
  expect(readFileSync(lab.path('out'), 'utf8')).toBe('ada')
})

it('does not open with another provider, nor with another master key of the same name', async () => {
  const { path } = await lab.backup()
  const other = { from: path, to: lab.path('out') }
  await expectCode(
    restoreBackup({ ...other, provider: memoryProvider({ name: 'other' }) }),
    'ERR_PROVIDER_UNKNOWN',
  )
  await expectCode(
    restoreBackup({ ...other, provider: memoryProvider({ name: 'memory' }) }),
    'ERR_UNWRAP_FAILED',
    'ERR_MASTER_KEY_NOT_FOUND',
  )
})

it('opens with either of two providers', async () => {
  const [a, b] = [memoryProvider({ name: 'memory' }), memoryProvider({ name: 'second' })]
  const keywright = new Keywright({
    provider: [a, b],
    store: memoryStore(),
    policy: policyWith({ backups: { furtherProviders: ['second'] } }),
  })
  const { path } = await keywright.backups.create({
    to: lab.backups,
    name: 'app',
    source: { stream: once('x') },
  })
  for (const provider of [a, b])
    await restoreBackup({ provider, from: path, to: lab.path(`out-${provider.name}`) })
  await keywright.close()
})

it('in another store: the hint says how', async () => {
  const { path } = await lab.backup('app', 'ada')
  const other = new Keywright({ provider: lab.provider, store: memoryStore(), policy: policyWith() })
  const { hint } = await expectCode(other.backups.verify({ from: path }), 'ERR_KEY_UNKNOWN')
  expect(hint).toContain('--without-store')
  await other.close()
})

it('after rotation old backups open; with their key suspended they do not, and that is told as it is', async () => {
  const { path } = await lab.backup('app', 'ada')
  const [key] = await lab.keywright.keys.list({ keyring: 'backups' })
  await lab.keywright.keys.rotate('backups', { now: true, force: true })
  expect(await lab.restored(path)).toBe('ada')
  await lab.keywright.keys.suspend(key?.id ?? 0, 'looking into it')
  await expectCode(lab.restored(path), 'ERR_KEY_SUSPENDED')
})

it('of a tenant and of another key type', async () => {
  const { backups } = lab.keywright
  const source = () => ({ stream: once('ada') })
  const made = await backups.create({
    to: lab.backups,
    name: 'app',
    source: source(),
    keyType: 'pii',
    tenant: 'acme',
  })
  expect(await lab.restored(made.path)).toBe('ada')
  expect((await lab.keywright.keys.list({ keyring: 'pii/acme' })).length).toBe(1)
})
