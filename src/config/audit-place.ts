/** Where the audit log is to be kept, as options and environment say it. */

/** In the key store itself, where that keeps logs (PostgreSQL, Redis). */
const AUDIT_IN_STORE = 'store'

/** The path of the log; undefined when it is kept somewhere else, or not at all. */
export function auditFile(audit: unknown): string | undefined {
  return typeof audit === 'string' && audit !== AUDIT_IN_STORE ? audit : undefined
}
