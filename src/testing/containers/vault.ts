/** OpenBao in a container, in development mode: unsealed, in memory. */
import { randomBytes } from 'node:crypto'
import type { Emulator, EmulatorOptions } from '../emulator.ts'
import { prepareTransit, vaultCall } from '../native/openbao.ts'
import { startContainer } from './container.ts'

const PORT = 8200

export async function vaultContainer(options: EmulatorOptions): Promise<Emulator> {
  const token = randomBytes(18).toString('base64url')
  const plan = {
    ports: [PORT],
    command: ['server', '-dev', `-dev-root-token-id=${token}`, `-dev-listen-address=0.0.0.0:${PORT}`],
    ready: { path: '/v1/sys/health' },
  } as const
  const container = await startContainer('vault', plan, options)
  const endpoint = `http://${container.host}:${container.port(PORT)}`
  try {
    const prepared = await prepareTransit(endpoint, vaultCall(endpoint, token))
    return {
      name: 'vault',
      kind: 'container',
      server: container.image,
      endpoint,
      ...prepared,
      stop: container.stop,
      [Symbol.asyncDispose]: container.stop,
    }
  } catch (error) {
    await container.stop()
    throw error
  }
}
