/** The version of the package this file belongs to. */
import { readFileSync } from 'node:fs'

/** From the manifest, which is two folders up in the sources and three in the package. */
export function packageVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      if (name === 'keywright') return version
    } catch {
      // not there: the other place
    }
  }
  return 'unknown'
}
