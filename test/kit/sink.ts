/** An audit sink in memory that can fail. */
import type { AuditRecord } from '../../src/audit/event.ts'
import type { AuditHead, AuditSink, AuditWriter } from '../../src/audit/sink.ts'

export class MemorySink implements AuditSink {
  failing = false
  /** Runs when lines have been written: what is stored at that moment can be looked at. */
  written: ((records: readonly AuditRecord[]) => Promise<void> | void) | undefined
  #lines: string[] = []
  #head: AuditHead | undefined
  #last: Promise<unknown> = Promise.resolve()

  get records(): AuditRecord[] {
    return this.#lines.map((line) => JSON.parse(line) as AuditRecord)
  }

  get events(): string[] {
    return this.records.map((record) => record.event)
  }

  exclusive<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => critical(this.#writer()))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async *read() {
    for (const [index, line] of this.#lines.entries()) {
      yield { line: index + 1, bytes: Buffer.from(line), torn: false }
    }
  }

  async head(): Promise<AuditHead | undefined> {
    return this.#head
  }

  #writer(): AuditWriter {
    const last = this.#lines.at(-1)
    return {
      last: last === undefined ? undefined : Buffer.from(last),
      torn: 0,
      head: this.#head,
      append: async (lines, head) => {
        if (this.failing) throw new Error('no space left')
        const clean = lines.map((line) => line.replace(/\n$/, ''))
        this.#lines.push(...clean)
        this.#head = head
        await this.written?.(clean.map((line) => JSON.parse(line) as AuditRecord))
      },
      dropStart: async (count, line) => {
        this.#lines.splice(0, count, line)
      },
    }
  }
}
