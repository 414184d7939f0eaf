/** What the tests on a real Redis share. */
import { randomBytes } from 'node:crypto'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { expect } from 'vitest'
import redisProvider, { type RedisProviderOptions } from '../../../providers/redis.ts'
import type { KeyProvider } from '../../../src/provider.ts'
import type { RedisServer } from '../../../src/testing/native/redis.ts'
import { expectNoSecret, failureOf, wrapContext } from '../../conformance/provider.ts'

export const rootKey = Uint8Array.from(randomBytes(32))
export const rootSecret = { bytes: rootKey, kind: 'key' } as const
export const context = wrapContext()
export const newKey = (): Uint8Array => Uint8Array.from(randomBytes(64))

export const urlOf = ({ password, port }: RedisServer): string => `redis://:${password}@127.0.0.1:${port}/0`

/** A provider that asks the server with every wrap. */
export function openOn(server: RedisServer, options: Partial<RedisProviderOptions> = {}): KeyProvider {
  return redisProvider({ checkIntervalMs: 0, rootSecret, url: urlOf(server), ...options })
}

let count = 0
/** A name that no test had before. */
export function newName(): string {
  count += 1
  return `key-${count}`
}

/** The Redis key of a master key in the default namespace. */
export const keyOf = (name: string): string => `{keywright}:master:${name}`

/** A client with all rights. Close it with `disconnect()`. */
export function adminOf({ password, port }: RedisServer): Redis {
  return new Redis({ host: '127.0.0.1', password, port })
}

/** Rejects with this code, a hint that names each setting, and no secret. */
export async function rejects(
  call: () => Promise<unknown>,
  code: string,
  settings: readonly string[] = [],
  secrets: readonly (string | Uint8Array)[] = [],
): Promise<void> {
  const error = await failureOf(call)
  expect(error).toMatchObject({ code, hint: expect.stringMatching(/\w+ \w+/) })
  const { hint } = error as { hint: string }
  for (const setting of settings) expect(hint).toContain(setting)
  expectNoSecret(error, [rootKey, ...secrets])
}

/** A server on a free port that does with each connection, by its number from 1, what `serve` says. */
export async function tcpServer(serve: (socket: Socket, connection: number) => void) {
  const sockets = new Set<Socket>()
  let connections = 0
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    connections += 1
    serve(socket, connections)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => connections,
    /** Breaks every connection. */
    cut() {
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    },
    async stop() {
      this.cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Passes a connection on to the server. */
export function passTo(port: number, socket: Socket): void {
  const upstream = dial(port, '127.0.0.1')
  upstream.on('error', () => socket.destroy())
  upstream.on('close', () => socket.destroy())
  socket.on('close', () => upstream.destroy())
  socket.pipe(upstream).pipe(socket)
}
