/** The audit log on its own: `keywright/audit`. Keep one in a file, or write a sink for another place. */
export type { AuditEvent, AuditEventName, AuditRecord } from './event.ts'
export { type FileAuditSinkOptions, fileAuditSink } from './file-sink.ts'
export type { AuditHead, AuditLine, AuditSink, AuditWriter } from './sink.ts'
export { type AuditReport, type VerifyOptions, verifyAudit } from './verify.ts'
