/** A TCP port in front of a server, which can cut connections: gRPC servers have no way to do that themselves. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Front {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** How many bytes still go to the clients; beyond that the connections are cut. */
  #budget = Number.POSITIVE_INFINITY

  constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, connect(targetPort, '127.0.0.1')))
    this.#server.unref()
  }

  /** Listens on a free loopback port, or on `port`. */
  listen(port = 0): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', () => {
        const address = this.#server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  }

  /** Resets every connection now. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Resets every connection after this many more bytes have gone to the clients. */
  resetAfter(bytes: number): void {
    this.#budget = bytes
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.reset()
    })
  }

  #join(client: Socket, target: Socket): void {
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
      socket.on('error', () => socket.destroy())
    }
    client.pipe(target)
    target.on('data', (chunk: Buffer) => {
      client.write(chunk.subarray(0, Math.min(chunk.length, this.#budget)))
      this.#budget -= chunk.length
      if (this.#budget > 0) return
      this.#budget = Number.POSITIVE_INFINITY
      // What was written must arrive before the reset does.
      setImmediate(() => this.reset())
    })
  }
}
