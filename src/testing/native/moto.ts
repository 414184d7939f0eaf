/**
 * moto's KMS as a program of this machine, from PyPI. It lists rotations; it knows no key states, names no key
 * material, takes any credentials, and a restart loses every key.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Emulator, EmulatorOptions, LocalServer } from '../emulator.ts'
import { kmsEmulator } from './kms-emulator.ts'
import { answers, freePort, scratchFolder, startServer } from './process.ts'
import { installPython, type PythonRequirements, pythonFolder } from './python.ts'

const VERSION = '5.2.5'

const PYTHON: PythonRequirements = {
  name: `moto-${VERSION}`,
  file: fileURLToPath(import.meta.resolve('#requirements/moto.txt')),
  minors: [13, 12, 11, 10, 14],
}

/** moto's server. Needs CPython 3.10 to 3.14. */
export const moto: LocalServer = {
  name: 'aws-kms',
  kind: 'native',
  server: `moto ${VERSION}`,
  install: () => installPython(PYTHON),
  start,
}

async function start(options: EmulatorOptions): Promise<Emulator> {
  const folder = await pythonFolder(`moto ${VERSION}`, PYTHON)
  const scratch = await scratchFolder('moto')
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  try {
    const child = await startServer({
      title: `moto ${VERSION}`,
      command: join(folder, 'bin', 'python'),
      args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
      cwd: scratch.path,
      env: { HOME: scratch.path, TMPDIR: scratch.path },
      ready: () => answers(`${endpoint}/moto-api/data.json`),
      timeoutMs: options.startTimeoutMs,
    })
    const stop = async (): Promise<void> => {
      await child.stop()
      await scratch.remove()
    }
    return await kmsEmulator({ kind: 'native', server: `moto ${VERSION}`, endpoint, stop })
  } catch (error) {
    await scratch.remove()
    throw error
  }
}
