/**
 * Resource names of Cloud KMS. Every part is checked against an allowlist before it reaches a request.
 * https://cloud.google.com/kms/docs/getting-resource-ids
 */
import { KeywrightError } from '../../src/provider.ts'

/** The parts of a crypto key's name. */
export interface KeyNameParts {
  readonly projectId: string
  readonly location: string
  readonly keyRing: string
  readonly key: string
}

/** As the options give them: `keyId` is the last part or the whole name. */
export interface GivenKeyName {
  readonly keyId: string
  readonly projectId?: string | undefined
  readonly location?: string | undefined
  readonly keyRing?: string | undefined
}

/** https://cloud.google.com/resource-manager/docs/creating-managing-projects; a number is another name of the same. */
const PROJECT = /^(?:[a-z0-9][a-z0-9.-]{0,60}\.[a-z]{2,20}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/
const LOCATION = /^[a-z][a-z0-9-]{1,62}$/
const ID = /^[a-zA-Z0-9_-]{1,63}$/
const VERSION = /^[1-9]\d{0,9}$/
const KEY_NAME = /^projects\/([^/]+)\/locations\/([^/]+)\/keyRings\/([^/]+)\/cryptoKeys\/([^/]+)$/
const VERSION_TAIL = /^\/cryptoKeyVersions\/([1-9]\d{0,9})$/

/** Puts the name together out of the options. Throws ERR_CONFIG_INVALID that names option and variable. */
export function parseKeyName(given: GivenKeyName): KeyNameParts {
  const parts = given.keyId.includes('/') ? fromFullName(given) : fromParts(given)
  check('projectId', 'ENCRYPTION_GCP_PROJECT_ID', parts.projectId, PROJECT, 'a project id (not its number)')
  check('location', 'ENCRYPTION_GCP_LOCATION', parts.location, LOCATION, 'a location such as europe-west1')
  check('keyRing', 'ENCRYPTION_GCP_KEYRING', parts.keyRing, ID, 'letters, digits, "_" and "-"')
  check('keyId', 'ENCRYPTION_KEY_ID', parts.key, ID, 'letters, digits, "_" and "-", or a full resource name')
  return parts
}

function fromFullName({ keyId, keyRing, location }: GivenKeyName): KeyNameParts {
  const [, projectId = '', place = '', ring = '', key = ''] = KEY_NAME.exec(keyId) ?? []
  if (key === '') {
    const hint =
      'set ENCRYPTION_KEY_ID to projects/…/locations/…/keyRings/…/cryptoKeys/…; a version goes into ENCRYPTION_KEY_VERSION'
    throw invalid('"keyId" is no resource name of a crypto key', hint)
  }
  // The project alone may differ: GOOGLE_CLOUD_PROJECT is that of the application, keys are often in another one.
  if ((location ?? place) !== place || (keyRing ?? ring) !== ring) {
    const hint =
      'leave ENCRYPTION_GCP_LOCATION and ENCRYPTION_GCP_KEYRING out when ENCRYPTION_KEY_ID is a full name'
    throw invalid('"keyId" names another location or key ring than "location" and "keyRing"', hint)
  }
  return { key, keyRing: ring, location: place, projectId }
}

function fromParts({ keyId, keyRing, location, projectId }: GivenKeyName): KeyNameParts {
  const need = (value: string | undefined, option: string, variable: string): string => {
    if (value !== undefined) return value
    throw invalid(
      `"${option}" is missing`,
      `set ${variable}, or give ENCRYPTION_KEY_ID as a full resource name`,
    )
  }
  return {
    key: keyId,
    keyRing: need(keyRing, 'keyRing', 'ENCRYPTION_GCP_KEYRING'),
    location: need(location, 'location', 'ENCRYPTION_GCP_LOCATION'),
    projectId: need(projectId, 'projectId', 'ENCRYPTION_GCP_PROJECT_ID'),
  }
}

function check(option: string, variable: string, value: string, allowed: RegExp, expected: string): void {
  if (!allowed.test(value)) throw invalid(`"${option}" expects ${expected}`, `correct ${variable}`)
}

/** What of the name is configured and well-formed; in place of the rest stands what it is, in angle brackets. */
export function partsForPeople(options: Readonly<Record<string, unknown>>): KeyNameParts {
  const whole = KEY_NAME.exec(String(options['keyId']))
  const { keyId, keyRing, location, projectId } = options
  const [project, place, ring, key] = whole?.slice(1) ?? [projectId, location, keyRing, keyId]
  const shown = (value: unknown, allowed: RegExp, hole: string): string =>
    typeof value === 'string' && allowed.test(value) ? value : hole
  return {
    key: shown(key, ID, '<key>'),
    keyRing: shown(ring, ID, '<key ring>'),
    location: shown(place, LOCATION, '<location>'),
    projectId: shown(project, PROJECT, '<project>'),
  }
}

/** The key's resource name. */
export function keyName({ key, keyRing, location, projectId }: KeyNameParts): string {
  return `projects/${projectId}/locations/${location}/keyRings/${keyRing}/cryptoKeys/${key}`
}

/** A version as Cloud KMS counts them: '1', '2' … */
export function isVersion(version: unknown): version is string {
  return typeof version === 'string' && VERSION.test(version)
}

/** The resource name of one version of `key`. */
export function versionName(key: string, version: string): string {
  return `${key}/cryptoKeyVersions/${version}`
}

/** The version that `name` has under `key`; undefined for anything else, another key's versions included. */
export function versionOf(key: string, name: unknown): string | undefined {
  if (typeof name !== 'string' || !name.startsWith(key)) return undefined
  return VERSION_TAIL.exec(name.slice(key.length))?.[1]
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_CONFIG_INVALID', `gcp-kms: ${message}`, { hint })
}
