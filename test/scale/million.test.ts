/** A million encryptions under a backend behind a network: one wrap and one unwrap, and then silence. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import { type GcpKmsFake, gcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { serverFor } from '../kit/servers.ts'

const MILLION = 1_000_000
const ASYNC = 100_000

const { skip } = await serverFor(gcpKmsFake)

describe.skipIf(skip)(`a million encryptions under Cloud KMS ${skip ?? ''}`, () => {
  let folder: string
  let gcp: GcpKmsFake
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keywright-million-'))
    gcp = await startGcpKmsFake()
  })
  afterAll(async () => {
    await gcp.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('make one wrap and one unwrap', { timeout: 120_000 }, async () => {
    const storeUrl = `sqlite:${join(folder, 'keys.db')}`
    await using kw = await open({ environment: gcp.env, storeUrl, audit: false, create: true })
    const field = await kw.field('pii').ready()
    const seen = Object.fromEntries(gcp.service.calls)
    let last = ''
    for (let n = 0; n < MILLION - ASYNC; n++) last = field.encryptSync('ada@example.com')
    for (let n = 0; n < ASYNC; n++) last = await field.encrypt('ada@example.com')
    expect(field.decryptSync(last)).toBe('ada@example.com')

    expect(kw.counters()['gcp-kms']).toMatchObject({ failures: 0, retries: 0, unwraps: 1, wraps: 1 })
    expect(seen['Decrypt']).toBe(1)
    expect(Object.fromEntries(gcp.service.calls), 'the server heard no more of it').toEqual(seen)
    const [key] = await kw.keys.list()
    expect(key?.usage.messages).toBeGreaterThanOrEqual(MILLION)
    expect(await kw.keys.list()).toHaveLength(1)
  })
})
