/** What writes backups, with the version of the package this file belongs to. */
import { readFile } from 'node:fs/promises'

/** Three folders up in the sources, four in the package. */
const ROOTS = ['../../../', '../../../../']

export async function toolName(): Promise<string> {
  for (const root of ROOTS) {
    try {
      const text = await readFile(new URL(`${root}package.json`, import.meta.url), 'utf8')
      const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown }
      if (name === 'keywright' && typeof version === 'string') return `${name} ${version}`
    } catch {
      // not there: the other place
    }
  }
  return 'keywright'
}
