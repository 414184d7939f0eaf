/** Redis in a container. */
import { randomBytes } from 'node:crypto'
import type { Emulator, EmulatorOptions } from '../emulator.ts'
import { FIRST_REDIS_KEY, makeRedisMasterKey, redisEnvironment } from '../native/redis.ts'
import { startContainer } from './container.ts'

const PORT = 6379

export async function redisContainer(options: EmulatorOptions): Promise<Emulator> {
  const password = randomBytes(18).toString('base64url')
  const settings = { requirepass: password, appendonly: 'yes', 'maxmemory-policy': 'noeviction' }
  // Debian's build refuses connections from outside its container without this.
  const flags = Object.entries({ ...settings, 'protected-mode': 'no' }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ])
  const plan = {
    ports: [PORT],
    command: ['redis-server', ...flags],
    ready: { log: /Ready to accept connections/ },
  } as const
  const container = await startContainer('redis', plan, options)
  const env = redisEnvironment(container.port(PORT), password, container.host)
  try {
    await makeRedisMasterKey(env, FIRST_REDIS_KEY)
  } catch (error) {
    await container.stop()
    throw error
  }
  return {
    name: 'redis',
    kind: 'container',
    server: container.image,
    endpoint: `redis://${container.host}:${container.port(PORT)}`,
    env,
    createMasterKey: (name = `key-${randomBytes(6).toString('hex')}`) => makeRedisMasterKey(env, name),
    stop: container.stop,
    [Symbol.asyncDispose]: container.stop,
  }
}
