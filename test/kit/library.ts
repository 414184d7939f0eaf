/** The names the kit needs, by their public door where there is one. */
export { type AuditSink, defaultPolicy, type KeyTypePolicy, type Policy } from '../../src/index.ts'
export { Keywright } from '../../src/keywright.ts'
