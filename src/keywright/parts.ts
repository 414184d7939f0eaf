/** What a Keywright is composed of. */
import type { AuditSink } from '../audit/sink.ts'
import type { Clock } from '../clock.ts'
import type { ForeignOptions } from '../data/foreign/readers.ts'
import type { DataPlace } from '../jobs/places.ts'
import type { Policy } from '../policy/policy.ts'
import type { KeyProvider } from '../provider.ts'
import type { ResilienceOptions } from '../resilience/options.ts'
import type { KeyStore } from '../store.ts'

/** What a Keywright is composed of. It owns them from then on: `close` closes them. */
export interface KeywrightParts {
  /** Who holds the master keys. The first one is the default of the default policy. */
  readonly provider: KeyProvider | readonly KeyProvider[]
  /** Where the key records live. */
  readonly store: KeyStore
  /** @default the default policy, under the first provider */
  readonly policy?: Policy
  /** Where the audit log is kept. Without it nothing is logged. */
  readonly audit?: AuditSink
  /** Stands in audit records: who acts. */
  readonly actor?: string
  /** Deadline of one provider call, in ms. @default 10_000 */
  readonly providerTimeoutMs?: number
  /** Retries, circuit breaker and limits of provider calls. */
  readonly resilience?: ResilienceOptions
  /** Where ciphertexts live: what a census counts and a re-encryption goes through. @default none */
  readonly places?: readonly DataPlace[]
  /** Old keys and readers, for migration windows. @default none */
  readonly foreign?: ForeignOptions
  /** @default the machine's clock */
  readonly clock?: Clock
}
