/** The names the kit needs, by their public door where there is one. */
export type { AuditSink, KeyTypePolicy, Policy } from '../../src/index.ts'
export { Keywright } from '../../src/keywright.ts'
export { defaultPolicy } from '../../src/policy/resolve.ts'
