#!/usr/bin/env node
/** The program `keywright`: process, streams and signals; all else is `run`. */
import type { Io } from './io.ts'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `keywright: this is Node ${process.versions.node}, which is too old\nhint: install Node 22.13 or newer\n`,
  )
  process.exitCode = 2
} else {
  // Node 22 warns on every start that its SQLite is experimental; later versions do not. Google's client warns of a
  // metadata server that does not answer, which the error of the command tells with what to do about it.
  const { emitWarning } = process
  process.emitWarning = (warning, ...rest) => {
    const isNoise = major === 22 && String(warning).includes('SQLite')
    if (!isNoise && !rest.some((one) => String(one) === 'MetadataLookupWarning'))
      Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort(signal))
  const io: Io = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    versions: process.versions,
    now: Date.now,
    signal: interrupt.signal,
  }
  const { run } = await import('./run.ts')
  // Everything is written by now; an open standard input must not keep the process alive.
  process.exit(await run(process.argv.slice(2), io))
}
