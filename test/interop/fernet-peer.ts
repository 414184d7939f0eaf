/** Fernet of Python's cryptography: what wrote the values that applications migrate, and shares no code with ours. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pythonEnvironment } from '../../src/testing/native/python.ts'

const SCRIPT = fileURLToPath(new URL('./fernet_peer.py', import.meta.url))

export interface FernetRequest {
  readonly op: 'encrypt' | 'decrypt' | 'rotate'
  /** The first one encrypts. */
  readonly keys: readonly string[]
  /** base64 of what is to be encrypted; tokens for the others. */
  readonly values: readonly string[]
}

/** Answers requests; one array for each, null for a token that does not open. */
export type FernetPeer = (requests: readonly FernetRequest[]) => Promise<(string | null)[][]>

/** The peer, or why there is none. In CI it must be there. */
export async function openFernetPeer(): Promise<FernetPeer | { readonly missing: string }> {
  const environment = await pythonEnvironment({
    name: 'cryptography-50.0.2',
    file: fileURLToPath(new URL('./fernet-requirements.txt', import.meta.url)),
    minors: [13, 12, 11, 10, 14],
  })
  if ('missing' in environment) {
    if (process.env['CI']) throw new Error(environment.missing.reason)
    return { missing: environment.missing.reason }
  }
  const python = join(environment.folder, 'bin', 'python')
  return (requests) => ask(python, requests)
}

function ask(python: string, requests: readonly FernetRequest[]): Promise<(string | null)[][]> {
  return new Promise((resolve, reject) => {
    const child = execFile(python, ['-I', SCRIPT], { maxBuffer: 2 ** 28 }, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout))
      else reject(error)
    })
    child.stdin?.end(JSON.stringify(requests))
  })
}
