/** An audit log that is loaded with the first event: importing Keywright does not pay for it. */
import type { AuditLogOptions, AuditTrail } from './log.ts'

/** The log over `options.sink`; without options one that writes nothing. */
export function lazyAuditLog(options: AuditLogOptions | undefined): AuditTrail {
  let log: AuditTrail | undefined
  const load = async (): Promise<AuditTrail> => {
    const { AuditLog, noAudit } = await import('./log.ts')
    log ??= options === undefined ? noAudit : new AuditLog(options)
    return log
  }
  return {
    append: async (events) => (await load()).append(events),
    async *list(filter) {
      yield* (await load()).list(filter)
    },
    async close() {
      await (log === undefined ? options?.sink.close?.() : log.close())
    },
  }
}
