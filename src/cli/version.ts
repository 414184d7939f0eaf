/** The package this file belongs to. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Two folders up in the sources, three in the package. */
const ROOTS = ['../../', '../../../']

interface Manifest {
  readonly name: string
  readonly version: string
}

function findPackage(): { root: URL; manifest: Manifest } | undefined {
  for (const up of ROOTS) {
    const root = new URL(up, import.meta.url)
    try {
      const manifest: Manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
      if (manifest.name === 'keywright') return { root, manifest }
    } catch {
      // not there: the other place
    }
  }
  return undefined
}

/** From the manifest. */
export function packageVersion(): string {
  return findPackage()?.manifest.version ?? 'unknown'
}

/** The path of a file that comes with the package. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, findPackage()?.root ?? import.meta.url))
}
