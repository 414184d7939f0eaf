/** The table of sources. A new one is a file beside this and a row here. */
import { KeywrightError, type Source } from '../src/source.ts'

/** What a configuration says of a place with rows; which members count is a matter of its type. */
export interface SourceConfig {
  /** One of {@link SOURCES}. */
  readonly type: string
  /** As reports and checkpoints call it: `[A-Za-z0-9][A-Za-z0-9_.-]{0,99}` */
  readonly name: string
  /** PostgreSQL and Redis: where the server is. */
  readonly url?: string
  /** SQLite: the file. */
  readonly path?: string
  /** PostgreSQL and SQLite: the table. */
  readonly table?: string
  /** Redis: which keys. */
  readonly pattern?: string
  /** PostgreSQL and SQLite: the columns of the unique key to page by. @default the primary key */
  readonly key?: readonly string[]
}

interface SourceModule {
  default(options: never): Source
}

/** Type → the module that opens such sources, and the members it takes. Nothing is loaded before it is asked for. */
export const SOURCES = {
  postgres: { load: () => import('./postgres.ts'), needs: ['url', 'table'], takes: ['key'] },
  sqlite: { load: () => import('./sqlite.ts'), needs: ['path', 'table'], takes: ['key'] },
  redis: { load: () => import('./redis.ts'), needs: ['url', 'pattern'], takes: [] },
} as const satisfies Record<string, SourceRow>

interface SourceRow {
  load(): Promise<SourceModule>
  readonly needs: readonly (keyof SourceConfig)[]
  readonly takes: readonly (keyof SourceConfig)[]
}

/**
 * Opens a source by its configuration; it connects with its first call. Throws ERR_SOURCE_UNKNOWN for a type that is
 * none, ERR_CONFIG_INVALID for a member that is missing or means nothing, and what the source throws.
 */
export async function openSource(config: SourceConfig): Promise<Source> {
  const { type, ...options } = config
  const row: SourceRow | undefined = Object.hasOwn(SOURCES, type)
    ? SOURCES[type as keyof typeof SOURCES]
    : undefined
  if (row === undefined) {
    throw new KeywrightError('ERR_SOURCE_UNKNOWN', `the source ${config.name} has a type that is not known`, {
      hint: `this version reads ${Object.keys(SOURCES).join(', ')}; others are passed to Keywright as "places"`,
      details: { known: Object.keys(SOURCES) },
    })
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const missing = row.needs.find((member) => config[member] === undefined)
  const extra = given.map(([member]) => member).find((member) => !isTaken(row, member))
  if (missing !== undefined || extra !== undefined) {
    throw new KeywrightError('ERR_CONFIG_INVALID', `the source ${config.name} ${fault(missing, extra)}`, {
      hint: `a source of type ${type} takes ${[...row.needs, ...row.takes].join(', ')}`,
    })
  }
  const { default: open } = await row.load()
  return open(Object.fromEntries(given) as never)
}

const isTaken = ({ needs, takes }: SourceRow, member: string): boolean =>
  member === 'name' || [...needs, ...takes].some((one) => one === member)

const fault = (missing: string | undefined, extra: string | undefined): string =>
  missing === undefined ? `has a "${extra}" that means nothing to it` : `has no "${missing}"`
