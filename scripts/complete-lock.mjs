/**
 * `node scripts/complete-lock.mjs`, after an `npm install` that changed package-lock.json.
 *
 * A registry mirror may lack the builds of a tool for other platforms. npm then leaves those optional packages out of
 * the lock file without a word, and `npm ci` refuses that file everywhere. This adds the missing entries: the exact
 * version that the tool asks for, with the platform that the package's name says, so that no other platform loads it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from './ensure.mjs'

const LOCK = join(ROOT, 'package-lock.json')
const SYSTEMS = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)(?=-|$)/
const PROCESSORS = /-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?=-|$)/

/** Where a package that `from` asks for can lie: its own node_modules first, then those of every folder above. */
function candidates(from, name) {
  const paths = [`${from}/node_modules/${name}`]
  for (let at = from; at.includes('/node_modules/'); ) {
    at = at.slice(0, at.lastIndexOf('/node_modules/'))
    paths.push(`${at}/node_modules/${name}`)
  }
  return [...paths, `node_modules/${name}`]
}

/** The optional packages that the lock file names but does not hold: `{ name, version, dev }`. */
export function missingFromLock(packages) {
  return Object.entries(packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !candidates(path, name).some((candidate) => candidate in packages))
      .map(([name, version]) => ({ name, version, dev: entry.dev === true })),
  )
}

function platformOf(name) {
  const os = SYSTEMS.exec(name)?.[1]
  const cpu = PROCESSORS.exec(name)?.[1]
  if (os === undefined || cpu === undefined)
    throw new Error(`cannot tell the platform of ${name} from its name`)
  const libc = os === 'linux' ? { libc: [name.includes('musl') ? 'musl' : 'glibc'] } : {}
  return { cpu: [cpu], os: [os], ...libc }
}

function main() {
  const lock = JSON.parse(readFileSync(LOCK, 'utf8'))
  const missing = missingFromLock(lock.packages)
  for (const { name, version, dev } of missing) {
    if (!/^\d+\.\d+\.\d+/.test(version))
      throw new Error(`${name} is asked for as ${version}, not as one version`)
    const { cpu, os, ...libc } = platformOf(name)
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu,
      ...(dev ? { dev } : {}),
      ...libc,
      optional: true,
      os,
    }
  }
  lock.packages = Object.fromEntries(
    Object.entries(lock.packages).sort(([a], [b]) => (a === b ? 0 : a.localeCompare(b, 'en'))),
  )
  writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`)
  process.stderr.write(`keywright: added ${missing.length} optional packages to package-lock.json\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
