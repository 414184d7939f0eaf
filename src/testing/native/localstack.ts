/**
 * LocalStack's KMS as a program of this machine, from PyPI. It knows key states and names key materials; it takes any
 * credentials, and a restart loses every key. It is kept from calling home and from downloading anything.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Emulator, EmulatorOptions, LocalServer } from '../emulator.ts'
import { kmsEmulator } from './kms-emulator.ts'
import { answers, freePort, scratchFolder, startServer } from './process.ts'
import { installPython, type PythonRequirements, pythonFolder } from './python.ts'

const VERSION = '4.14.0'

const PYTHON: PythonRequirements = {
  name: `localstack-${VERSION}`,
  file: fileURLToPath(import.meta.resolve('#requirements/localstack.txt')),
  minors: [13],
}

/** The last LocalStack that starts without a token. Needs CPython 3.13. */
export const localstack: LocalServer = {
  name: 'aws-kms',
  kind: 'native',
  server: `LocalStack ${VERSION}`,
  install: () => installPython(PYTHON),
  start,
}

async function start(options: EmulatorOptions): Promise<Emulator> {
  const folder = await pythonFolder(`LocalStack ${VERSION}`, PYTHON)
  const scratch = await scratchFolder('localstack')
  const port = await freePort('::1')
  const endpoint = `http://[::1]:${port}`
  try {
    const child = await startServer({
      title: `LocalStack ${VERSION}`,
      command: join(folder, 'bin', 'python'),
      args: ['-m', 'localstack.runtime.main'],
      cwd: scratch.path,
      env: variables(scratch.path, port),
      ready: () => answers(`${endpoint}/_localstack/health`),
      timeoutMs: options.startTimeoutMs,
      stopSignal: 'SIGKILL', // it takes its time to end, and there is nothing to save
    })
    const stop = async (): Promise<void> => {
      await child.stop()
      await scratch.remove()
    }
    return await kmsEmulator({ kind: 'native', server: `LocalStack ${VERSION}`, endpoint, stop })
  } catch (error) {
    await scratch.remove()
    throw error
  }
}

/** https://docs.localstack.cloud/references/configuration/ */
function variables(folder: string, port: number): Record<string, string> {
  return {
    HOME: join(folder, 'home'),
    TMPDIR: folder,
    OVERRIDE_IN_DOCKER: '0',
    FILESYSTEM_ROOT: join(folder, 'files'),
    // An IPv4 host is not honoured: it would listen on every interface.
    GATEWAY_LISTEN: `[::1]:${port}`,
    SERVICES: 'kms',
    EAGER_SERVICE_LOADING: '1',
    DNS_ADDRESS: '0',
    DISABLE_EVENTS: '1',
    SKIP_SSL_CERT_DOWNLOAD: '1',
  }
}
