/** ENCRYPTION_AUDIT_PATH=store: the audit log beside the key records, for machines without a disk of their own. */
import { afterEach, describe, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { postgres } from '../../src/testing/native/postgres.ts'
import { redis } from '../../src/testing/native/redis.ts'
import { expectCode } from '../kit/failures.ts'
import { serverFor } from '../kit/servers.ts'

const MEMORY = { ENCRYPTION_KEY_STORAGE_BACKEND: 'memory', ENCRYPTION_AUDIT_PATH: 'store' }
const servers = [await serverFor(postgres), await serverFor(redis)] as const
let emulator: Emulator | undefined
afterEach(() => emulator?.stop())

describe('the audit log in the key store', () => {
  it.for([
    ['PostgreSQL', servers[0]],
    ['Redis', servers[1]],
  ] as const)('of %s is written and verified by every process', async ([, server], { skip }) => {
    if (server.start === undefined) return skip(server.skip)
    emulator = await server.start()
    const environment = { ...emulator.env, ...MEMORY }
    const first = await open({ environment, create: true, actor: 'first' })
    await first.encrypt('pii', 'x')
    const second = await open({ environment, actor: 'second' })
    await second.encrypt('session', 'y')
    await first.keys.rotate('pii', { force: true })
    for (const kw of [first, second]) expect(await kw.verifyAudit()).toMatchObject({ ok: true, records: 3 })
    const actors: unknown[] = []
    for await (const { actor } of second.audit.list()) actors.push(actor)
    expect(actors).toEqual(['first', 'second', 'first'])
    await first.close()
    await second.close()
  })

  it('is refused where the store keeps none, with what to write instead', async () => {
    const error = await expectCode(open({ environment: MEMORY, storeUrl: 'memory:' }), 'ERR_CONFIG_INVALID')
    expect(error.hint).toContain('ENCRYPTION_AUDIT_PATH')
  })
})
