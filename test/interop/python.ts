/** The Python with Tink that the interoperability tests talk to. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pythonEnvironment } from '../../src/testing/native/python.ts'

/** The environment's interpreter, or why there is none. */
export type PythonResult = { readonly python: string } | { readonly missing: string }

export async function pythonWithRequirements(): Promise<PythonResult> {
  const environment = await pythonEnvironment({
    name: 'tink-1.16.1',
    file: fileURLToPath(new URL('./requirements.txt', import.meta.url)),
    minors: [13, 12, 11, 10, 14],
  })
  if ('missing' in environment) return { missing: environment.missing.reason }
  return { python: join(environment.folder, 'bin', 'python') }
}
