/** The part of `pg` 8 that the store needs, so that our types do not import it. */
import { KeywrightError } from '../../src/store.ts'

/** A row as text: the store reads every value in the text form of the protocol. */
export type TextRow = Readonly<Record<string, string | null>>

export interface PgQuery {
  readonly text: string
  readonly values?: readonly unknown[]
  /** How long the client waits for the answer, in ms. */
  readonly query_timeout?: number
  readonly types?: { getTypeParser(...args: never[]): (value: string) => string }
}

export interface PgConnection {
  query(query: PgQuery): Promise<{ readonly rows: readonly unknown[]; readonly rowCount: number | null }>
  on(event: string, listener: (argument: unknown) => void): unknown
  removeListener(event: string, listener: (argument: unknown) => void): unknown
}

export interface PgPoolClient extends PgConnection {
  release(destroy?: boolean): void
}

/** A connection that is not in a pool. */
export interface PgClient extends PgConnection {
  readonly host?: string
  readonly port?: number
  readonly database?: string | undefined
  connect(): Promise<unknown>
  end(): Promise<void>
  unref?(): void
}

export type PgClientConstructor = new (config: never) => PgClient

/** A pool of `pg`: `new Pool({ … })`. */
export interface PgPool {
  readonly options?: { readonly max?: number | undefined }
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
