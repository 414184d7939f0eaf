/** PostgreSQL in a container. */
import { randomBytes } from 'node:crypto'
import type { Emulator, EmulatorOptions } from '../emulator.ts'
import { holdsNoMasterKeys } from '../native/postgres.ts'
import { startContainer } from './container.ts'

const PORT = 5432
const NAME = 'keywright'

export async function postgresContainer(options: EmulatorOptions): Promise<Emulator> {
  const password = randomBytes(18).toString('base64url')
  const plan = {
    ports: [PORT],
    environment: { POSTGRES_USER: NAME, POSTGRES_PASSWORD: password, POSTGRES_DB: NAME },
    // The image starts it once to make the database, and then for good.
    ready: { log: /database system is ready to accept connections/, times: 2 },
  } as const
  const container = await startContainer('postgres', plan, options)
  const place = `${container.host}:${container.port(PORT)}/${NAME}`
  return {
    name: 'postgres',
    kind: 'container',
    server: container.image,
    endpoint: `postgres://${place}`,
    env: { ENCRYPTION_KEY_STORE_URL: `postgres://${NAME}:${password}@${place}` },
    createMasterKey: holdsNoMasterKeys,
    stop: container.stop,
    [Symbol.asyncDispose]: container.stop,
  }
}
