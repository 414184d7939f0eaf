/** The parent's end of a traffic process. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromTraffic, Sample, ToTraffic, TrafficReport } from './traffic.ts'

export interface Traffic {
  /** The process encrypts and decrypts. */
  readonly ready: Promise<void>
  /** Gives it values of another process to read. */
  share(samples: readonly Sample[]): void
  /** Lets it read everything it has once more, and end. */
  stop(): Promise<TrafficReport>
  kill(): void
}

export interface TrafficOptions {
  readonly config: string
  readonly storeUrl: string
  readonly rotates: boolean
  readonly env: Readonly<Record<string, string>>
  readonly onSamples: (samples: readonly Sample[]) => void
}

export function startTraffic({ config, storeUrl, rotates, env, onSamples }: TrafficOptions): Traffic {
  const program = fileURLToPath(new URL('./traffic.ts', import.meta.url))
  const child = fork(program, [config, storeUrl, rotates ? 'yes' : 'no'], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words += text
  })
  const ready = Promise.withResolvers<void>()
  const report = Promise.withResolvers<TrafficReport>()
  report.promise.catch(() => undefined) // whoever waits for it hears of it
  child.on('message', (message: FromTraffic) => {
    if (message.kind === 'ready') ready.resolve()
    else if (message.kind === 'sample') onSamples(message.samples)
    else report.resolve(message.report)
  })
  child.once('close', (code) => {
    const error = new Error(`a traffic process ended early (${code}): ${words.slice(-2000)}`)
    ready.reject(error)
    report.reject(error)
  })
  return {
    ready: ready.promise,
    share: (samples) => send(child, { kind: 'sample', samples }),
    async stop() {
      send(child, { kind: 'stop' })
      const result = await report.promise
      if (child.exitCode === null) await once(child, 'close')
      return result
    },
    kill: () => child.kill('SIGKILL'),
  }
}

function send(child: ChildProcess, message: ToTraffic): void {
  // It may be about to end; whoever waits for its report hears of a real failure.
  if (child.connected) child.send(message, () => undefined)
}
