/** The part of `pg` 8 that the source needs, so that our types do not import it. */
import { KeywrightError } from '../../src/source.ts'

/** A row as text: every value in the text form of the protocol. */
export type TextRow = readonly (string | null)[]

interface PgQuery {
  readonly text: string
  readonly values: readonly unknown[]
  readonly rowMode: 'array'
  /** Prepared once per connection under this name. */
  readonly name?: string
  /** How long the client waits for the answer, in ms. */
  readonly query_timeout: number
  readonly types: { getTypeParser(...args: never[]): (value: string) => string }
}

/** A connection of `pg`: a `Client` that is connected, or one out of a pool. */
export interface PgConnection {
  /** The number of the server process, as cancelling needs it. */
  readonly processID?: number | null
  readonly host?: string
  readonly port?: number
  readonly database?: string | undefined
  query(query: PgQuery): Promise<{ readonly rows: readonly unknown[] }>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

/** A connection out of a pool. */
export interface PgPoolClient extends PgConnection {
  release(destroy?: boolean): void
}

/** A connection that is not in a pool. */
export interface PgClient extends PgConnection {
  connect(): Promise<unknown>
  end(): Promise<void>
}

export type PgClientConstructor = new (config: never) => PgClient

/** A pool of `pg`: `new Pool({ … })`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

/** The module `pg`. */
export interface PgLib {
  readonly Pool: new (config: never) => PgPool
  readonly Client: PgClientConstructor
}

/** The given module, else the installed one. Throws ERR_DEPENDENCY_MISSING. */
export async function loadPg(lib: PgLib | undefined): Promise<PgLib> {
  if (lib !== undefined) return lib
  try {
    return (await import('pg')) as unknown as PgLib
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'cannot import pg', {
      hint: 'npm install pg, or pass the module as the "lib" option, or a pool of it as "pool"',
    })
  }
}
