/** Child processes for the scripts of this folder. */
import { spawn } from 'node:child_process'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a program with our terminal and resolves to `{ code, signal }`. Signals are passed on; a Ctrl-C at a terminal
 * is not, because the terminal has sent it to the child already.
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options })
    const forward = (signal) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    }
    for (const signal of SIGNALS) process.on(signal, forward)
    const done = () => {
      for (const signal of SIGNALS) process.off(signal, forward)
    }
    child.once('error', (error) => {
      done()
      reject(error)
    })
    child.once('close', (code, signal) => {
      done()
      resolve({ code: code ?? 1, signal })
    })
  })
}

/** Runs a program as if it were this process: same exit code, or death by the same signal. */
export async function runForeground(command, args, options) {
  const { code, signal } = await run(command, args, options)
  process.exitCode = code
  if (signal !== null) process.kill(process.pid, signal)
}
