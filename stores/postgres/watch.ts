/** Hearing of changes by LISTEN, on a connection of its own that comes back when it is lost. A hint, no more. */
import { createHash } from 'node:crypto'
import type { PgClient } from './lib.ts'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

export type Changed = (keyring: string | undefined) => void

/** The channel on which the writers of a schema tell what they changed. */
export function channelOf(schema: string): string {
  return `keywright_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}`
}

/**
 * Calls `changed` with the keyring of each change, and with `undefined` after a gap, until the function it returns is
 * called. Neither its connection nor its timers keep the process alive.
 */
export function listen(newClient: () => PgClient, channel: string, changed: Changed): () => void {
  let stopped = false
  let current: PgClient | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let pause = FIRST_PAUSE_MS
  let hadGap = false

  const tell: Changed = (keyring) => {
    if (stopped) return
    try {
      changed(keyring)
    } catch {
      // The listener's failure is its own; it must not end the connection.
    }
  }

  const connect = async (): Promise<void> => {
    const client = newClient()
    current = client
    let isLost = false
    const lost = (): void => {
      if (isLost || stopped) return
      isLost = true
      hadGap = true
      void end(client)
      timer = setTimeout(start, pause * (0.5 + Math.random())).unref()
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', (message) => tell((message as { payload?: string }).payload || undefined))
    try {
      client.unref?.()
      await client.connect()
      client.unref?.() // with TLS it is another socket now
      await client.query({ text: `LISTEN "${channel}"` })
    } catch {
      lost()
      return
    }
    if (stopped) return void end(client)
    pause = FIRST_PAUSE_MS
    if (hadGap) tell(undefined)
    hadGap = false
  }
  const start = (): void => void connect().catch(() => undefined)

  start()
  return () => {
    stopped = true
    clearTimeout(timer)
    if (current !== undefined) void end(current)
  }
}

/** What a connection still reports when it is ended is of no use. */
async function end(client: PgClient): Promise<void> {
  await client.end().catch(() => undefined)
}
