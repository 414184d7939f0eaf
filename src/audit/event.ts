/**
 * What the audit log tells: the table of event names, and the check of an event before it is written.
 */
import { KeywrightError } from '../errors.ts'

/** Every event name, with what it says. An event is written before it takes effect. */
export const AUDIT_EVENTS = {
  'key.create': 'the first key of a keyring is made',
  'key.rotate': 'a new key version is made and becomes the active one',
  'key.suspend': 'a key is put out of use for the time being',
  'key.resume': 'a suspended key is put back into use',
  'key.revoke': 'a key is marked as compromised',
  'key.destroy': 'the wraps of a key are removed: its data is lost for ever',
  'key.rewrap': 'a key is wrapped anew under the current master key version',
  'key.add-wrap': 'a key gets a further wrap, under another provider',
  'key.prefer-wrap': 'another wrap of a key becomes the preferred one',
  'key.remove-wrap': 'one of several wraps of a key is removed',
  'key.expire': 'a key is past its maximum age and is not used any more',
  'key.abandoned': 'what an earlier record announced did not take place',
  'master.create': 'a master key is made',
  'master.rotate': 'a master key gets a new version',
  'master.reseal': 'master keys are sealed under another root secret',
  'keyset.export': 'keys leave the store, encrypted, as a keyset',
  'keyset.import': 'keys enter the store from a keyset',
  'store.create': 'a key store is made',
  'store.import': 'key records are copied in from another store or a backup',
  'store.export': 'key records are copied out to another store or a backup',
  'config.change': 'the configuration is changed',
  'policy.change': 'the policy is changed',
  'access.denied': 'an operation was refused by the policy or the state of a key',
  'data.encrypt': 'data is encrypted',
  'data.decrypt': 'data is decrypted',
  'file.encrypt': 'a file is encrypted',
  'file.decrypt': 'a file is decrypted',
  'backup.create': 'a backup is made',
  'backup.restore': 'a backup is restored',
  'backup.remove': 'a backup is removed by its retention',
  'data.census': 'ciphertexts were counted by key id',
  'job.start': 'a long job (re-encryption, rewrapping, move, import) begins',
  'job.finish': 'a long job ended',
  'audit.start': 'a program begins to write to the log',
  'audit.recovered': 'an unfinished last line, never acknowledged, was removed',
  'audit.prune': 'records older than a date are dropped from the start of the log',
  'audit.checkpoint': 'stands for the records that were dropped; the first line of a pruned log',
} as const satisfies Record<string, string>

/** A name from {@link AUDIT_EVENTS}. */
export type AuditEventName = keyof typeof AUDIT_EVENTS

/** Small non-secret facts. Names match `[a-zA-Z][a-zA-Z0-9_]{0,63}`. */
export type AuditDetails = Readonly<Record<string, string | number | boolean>>

/** What happens, to which key, by whom and why. Holds no secret, no plaintext and no environment value. */
export interface AuditEvent {
  readonly event: AuditEventName
  readonly keyring?: string
  /** The key's uint32 id, never 0. */
  readonly keyId?: number
  readonly keyVersion?: number
  /** Who wanted it. At most 1000 characters, as every string. */
  readonly actor?: string
  readonly reason?: string
  /** At most 32 members. */
  readonly details?: AuditDetails
}

/** An event as it stands in the log: one line of canonical JSON. See chain.ts for the bytes that are hashed. */
export interface AuditRecord extends AuditEvent {
  /** Version of the record format. */
  readonly v: 1
  /** 1, 2, 3 … without a gap. */
  readonly seq: number
  /** When it was written: UTC, ISO 8601 with milliseconds. */
  readonly time: string
  /** `hash` of the record before, in hex; 64 zeros for the first. */
  readonly prev: string
  /** SHA-256 of the record without this member, in hex. */
  readonly hash: string
}

/** Only the log itself writes these. */
const RESERVED: ReadonlySet<string> = new Set(['audit.recovered', 'audit.prune', 'audit.checkpoint'])

const MEMBERS: ReadonlySet<string> = new Set([
  'event',
  'keyring',
  'keyId',
  'keyVersion',
  'actor',
  'reason',
  'details',
])
const DETAIL_NAME = /^[a-zA-Z][a-zA-Z0-9_]{0,63}$/
const MAX_TEXT = 1000
const MAX_DETAILS = 32

function refuse(what: string, hint: string): never {
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `the audit event cannot be written: ${what}`, { hint })
}

function checkText(name: string, value: unknown): string {
  if (typeof value !== 'string' || !value.isWellFormed()) {
    refuse(`${name} is not a well-formed string`, 'pass a string without lone surrogates')
  }
  if (value.length > MAX_TEXT) {
    refuse(
      `${name} has ${value.length} characters, at most ${MAX_TEXT} are allowed`,
      'shorten it; the log holds facts, not documents',
    )
  }
  return value
}

function checkInteger(name: string, value: unknown, highest: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= highest) return value
  return refuse(`${name} is not an integer from 1 to ${highest}`, 'pass the number of the key record')
}

function checkDetail(name: string, value: unknown): string | number | boolean {
  if (!DETAIL_NAME.test(name)) {
    refuse('the name of a detail is not allowed', 'names are 1 to 64 letters, digits and "_"')
  }
  if (typeof value === 'string') return checkText(`details.${name}`, value)
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value
  return refuse(
    `details.${name} is neither a string nor a finite number nor a boolean`,
    'convert it to a string first',
  )
}

function checkDetails(details: unknown): AuditDetails {
  if (typeof details !== 'object' || details === null || Array.isArray(details)) {
    refuse('details is not an object', 'pass names and values: { count: 3 }')
  }
  const entries = Object.entries(details).filter(([, value]) => value !== undefined)
  if (entries.length > MAX_DETAILS) {
    refuse(
      `details has ${entries.length} members, at most ${MAX_DETAILS} are allowed`,
      'keep the essential ones',
    )
  }
  return Object.freeze(Object.fromEntries(entries.map(([name, value]) => [name, checkDetail(name, value)])))
}

function checkName(name: unknown, byTheLog: boolean): AuditEventName {
  const known = typeof name === 'string' && Object.hasOwn(AUDIT_EVENTS, name)
  if (known && (byTheLog || !RESERVED.has(name))) return name as AuditEventName
  return refuse(
    'its name is unknown or reserved for the log itself',
    'use a name of the AUDIT_EVENTS table; audit.recovered, audit.prune and audit.checkpoint are reserved',
  )
}

export interface CheckOptions {
  /** Stands in an event that names no actor. */
  readonly actor?: string | undefined
  /** Allows the names that are reserved for the log itself. @default false */
  readonly byTheLog?: boolean
}

/**
 * A frozen copy of `event`, so that the caller cannot change it while it waits to be written.
 * Throws ERR_ARGUMENT_INVALID for an unknown or reserved name, an unknown member, a string that is too long or
 * not well-formed, and a number out of range. No value stands in the error.
 */
export function checkEvent(event: AuditEvent, options: CheckOptions = {}): AuditEvent {
  if (typeof event !== 'object' || event === null) refuse('it is not an object', 'pass { event: name }')
  if (Object.keys(event).some((name) => !MEMBERS.has(name))) {
    refuse('it has an unknown member', `members are ${[...MEMBERS].join(', ')}`)
  }
  const { keyring, keyId, keyVersion, actor = options.actor, reason, details } = event
  return Object.freeze({
    event: checkName(event.event, options.byTheLog === true),
    ...(keyring === undefined ? {} : { keyring: checkText('keyring', keyring) }),
    ...(keyId === undefined ? {} : { keyId: checkInteger('keyId', keyId, 2 ** 32 - 1) }),
    ...(keyVersion === undefined
      ? {}
      : { keyVersion: checkInteger('keyVersion', keyVersion, Number.MAX_SAFE_INTEGER) }),
    ...(actor === undefined ? {} : { actor: checkText('actor', actor) }),
    ...(reason === undefined ? {} : { reason: checkText('reason', reason) }),
    ...(details === undefined ? {} : { details: checkDetails(details) }),
  })
}
