/** A folder that is gone after the test. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

/** A function that makes a folder for the current test; call it once in a test file. */
export function testFolders(): () => string {
  const made: string[] = []
  afterEach(() => {
    for (const folder of made.splice(0)) {
      chmodSync(folder, 0o700)
      rmSync(folder, { recursive: true, force: true })
    }
  })
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'keywright-store-'))
    made.push(folder)
    return folder
  }
}
