/** A line to a server that can be cut and mended, and led to another server. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

export class Line {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: number
  #isCut = false

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((client) => this.#join(client))
  }

  /** A line on a free loopback port to `target`, which is another one. */
  static async to(target: number): Promise<Line> {
    const line = new Line(target)
    await new Promise<void>((resolve) => line.#server.listen(0, '127.0.0.1', resolve))
    return line
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Every connection breaks; new ones break at once. */
  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  mend(target = this.#target): void {
    this.#target = target
    this.#isCut = false
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket): void {
    if (this.#isCut) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    const server = dial(this.#target, '127.0.0.1')
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.once('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    client.pipe(server).pipe(client)
  }
}

/** `url` with another port. */
export function atPort(url: string, port: number): string {
  const changed = new URL(url)
  changed.port = String(port)
  return changed.href.replace(/\/$/, url.endsWith('/') ? '/' : '')
}

/** The port of `url`. */
export const portOf = (url: string): number => Number(new URL(url).port)
