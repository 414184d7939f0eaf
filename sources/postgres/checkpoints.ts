/** Checkpoints in a table beside the rows, which is made when one is written first. */
import { KeywrightError } from '../../src/source.ts'
import { CHECKPOINT_TABLE } from '../shared/checkpoint-table.ts'
import { sourceError } from '../shared/errors.ts'
import { assertCheckpointName } from '../shared/requests.ts'
import type { Connections } from './connections.ts'
import type { Layout } from './layout.ts'
import {
  checkpointReadSql,
  checkpointRemoveSql,
  checkpointsCreateSql,
  checkpointsExistSql,
} from './statements.ts'

export class Checkpoints {
  readonly #name: string
  readonly #connections: Connections
  #isThere = false

  constructor(name: string, connections: Connections) {
    this.#name = name
    this.#connections = connections
  }

  async read(layout: Layout, name: string): Promise<string | undefined> {
    assertCheckpointName(name)
    if (!(await this.#exists(layout))) return undefined
    const [row] = await this.#connections.run(checkpointReadSql(layout), [layout.table, name])
    return row?.[0] ?? undefined
  }

  async remove(layout: Layout, name: string): Promise<void> {
    assertCheckpointName(name)
    if (!(await this.#exists(layout))) return
    await this.#connections.run(checkpointRemoveSql(layout), [layout.table, name])
  }

  /** Makes the table if it is not there. Throws ERR_SOURCE_DENIED that says what an administrator has to do. */
  async ensure(layout: Layout, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isThere || (await this.#exists(layout, signal))) return
    try {
      await this.#connections.run(checkpointsCreateSql(layout), [], signal)
    } catch (error) {
      // Two that make it at once: one of them may be told of a duplicate.
      if (await this.#exists(layout, signal)) return
      if (error instanceof KeywrightError && error.code === 'ERR_SOURCE_DENIED') throw this.#denied(layout)
      throw error
    }
    this.#isThere = true
  }

  forget(): void {
    this.#isThere = false
  }

  async #exists(layout: Layout, signal?: AbortSignal): Promise<boolean> {
    const rows = await this.#connections.run(checkpointsExistSql(layout), [], signal)
    this.#isThere = rows.length > 0
    return this.#isThere
  }

  #denied(layout: Layout): KeywrightError {
    return sourceError('ERR_SOURCE_DENIED', this.#name, {
      says: `keeps its checkpoints in a table ${CHECKPOINT_TABLE}, which this role may not make`,
      hint: `let an administrator run, once: ${checkpointsCreateSql(layout).text}; and grant SELECT, INSERT, UPDATE, DELETE on it`,
    })
  }
}
