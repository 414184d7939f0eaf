/** Announcing a change in the audit log before it takes effect, and saying so when it then did not. */
import type { AuditEvent } from '../audit/event.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyServices } from './services.ts'

/**
 * Announces `event`, then makes the change. When `tookPlace` denies its result, or it rejects, a `key.abandoned`
 * record follows. When the announcement cannot be written, nothing happens.
 */
export async function announced<T>(
  services: KeyServices,
  event: AuditEvent,
  change: () => Promise<T>,
  tookPlace: (result: T) => boolean = () => true,
): Promise<T> {
  await services.audit.append(event)
  let result: T
  try {
    result = await change()
  } catch (error) {
    const why = error instanceof KeywrightError ? error.code : 'it failed'
    const reason = `not confirmed: ${why}` // a store that failed may have written it all the same
    await services.audit.append(abandoned(event, reason)).catch(() => undefined) // the failure itself matters more
    throw error
  }
  if (!tookPlace(result)) await services.audit.append(abandoned(event, 'somebody else was first'))
  return result
}

function abandoned({ keyring, keyId, keyVersion, event }: AuditEvent, reason: string): AuditEvent {
  return {
    event: 'key.abandoned',
    reason,
    details: { announced: event },
    ...(keyring === undefined ? {} : { keyring }),
    ...(keyId === undefined ? {} : { keyId }),
    ...(keyVersion === undefined ? {} : { keyVersion }),
  }
}
