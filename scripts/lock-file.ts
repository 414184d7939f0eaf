/** Finds and adds the optional packages that a lock file names but does not hold. */

interface Entry {
  readonly version?: string
  readonly dev?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly [member: string]: unknown
}

type Packages = Readonly<Record<string, Entry>>

export interface LockFile {
  readonly packages: Packages
  readonly [member: string]: unknown
}

interface Missing {
  readonly name: string
  readonly version: string
  readonly dev: boolean
}

const SYSTEMS = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)(?=-|$)/
const PROCESSORS = /-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?=-|$)/

/** Where a package that `from` asks for can lie: its own node_modules first, then those of every folder above. */
function candidates(from: string, name: string): string[] {
  const paths = [`${from}/node_modules/${name}`]
  let at = from
  while (at.includes('/node_modules/')) {
    at = at.slice(0, at.lastIndexOf('/node_modules/'))
    paths.push(`${at}/node_modules/${name}`)
  }
  return [...paths, `node_modules/${name}`]
}

/** The optional packages that some entry asks for and no entry holds. */
export function missingFromLock(packages: Packages): Missing[] {
  return Object.entries(packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !candidates(path, name).some((candidate) => candidate in packages))
      .map(([name, version]) => ({ name, version, dev: entry.dev === true })),
  )
}

function entryOf({ name, version, dev }: Missing): Entry {
  const os = SYSTEMS.exec(name)?.[1]
  const cpu = PROCESSORS.exec(name)?.[1]
  if (os === undefined || cpu === undefined)
    throw new Error(`cannot tell the platform of ${name} from its name`)
  if (!/^\d+\.\d+\.\d+/.test(version))
    throw new Error(`${name} is asked for as ${version}, not as one version`)
  const libc = os === 'linux' ? { libc: [name.includes('musl') ? 'musl' : 'glibc'] } : {}
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...libc, optional: true, os: [os] }
}

/** The lock file with what it lacks, its packages in npm's order. */
export function completeLock(lock: LockFile): { added: number; completed: LockFile } {
  const missing = missingFromLock(lock.packages)
  const additions = missing.map((one) => [`node_modules/${one.name}`, entryOf(one)] as const)
  const entries = [...Object.entries(lock.packages), ...additions]
  const packages = Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b, 'en')))
  return { added: missing.length, completed: { ...lock, packages } }
}
