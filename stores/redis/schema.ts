/** How a store is told from other data, made, and read by newer versions. */
import type { KeywrightError } from '../../src/store.ts'
import { isInstallation } from '../shared/installation.ts'
import { STORE_URL, storeError } from './errors.ts'
import { CREATE } from './scripts.ts'
import type { Session } from './session.ts'

/** The version that this program writes. */
const SCHEMA_VERSION = 1

const FORMAT = 'keywright-store'

/** Finds the store, or makes it where there is none and `installation` is given; an existing one is just opened. */
export async function openStoreIn(session: Session, installation: string | undefined): Promise<void> {
  session.installation = await identify(session, installation)
}

/** The schema version that is stored. Throws as opening does. */
export async function schemaVersion(session: Session): Promise<number> {
  await identify(session, undefined)
  await session.read() // is it still the one that was opened?
  return SCHEMA_VERSION
}

async function identify(session: Session, make: string | undefined): Promise<string> {
  const { location, names } = session
  const found = await meta(session)
  if (found.every((value) => value === null)) {
    if (make === undefined) throw await absent(session)
    await session.assertFit()
    const args = [FORMAT, SCHEMA_VERSION, make]
    const outcome = await session.ask((link) => link.script(CREATE, [names.store, names.index], args))
    if (outcome === 'orphans') throw await absent(session)
    return identify(session, undefined)
  }
  const [format, schema, installation] = found
  if (format !== FORMAT) throw foreign(location)
  const version = typeof schema === 'string' && /^[1-9]\d{0,8}$/.test(schema) ? Number(schema) : 0
  if (version > SCHEMA_VERSION) {
    const says = `has schema version ${version}, newer than ${SCHEMA_VERSION}`
    throw storeError(
      'ERR_STORE_NEWER',
      location,
      says,
      'use the Keywright version that wrote it, or a newer one',
    )
  }
  if (version === SCHEMA_VERSION && isInstallation(installation)) return installation
  throw storeError(
    'ERR_STORE_CORRUPT',
    location,
    'has lost its schema version or installation id',
    'restore Redis from a backup',
  )
}

async function meta(session: Session): Promise<unknown[]> {
  const command = ['HMGET', session.names.store, 'format', 'schema', 'installation'] as const
  const reply = await session.ask((link) => link.command(...command))
  return Array.isArray(reply) ? reply : []
}

/** Why there is no store: there is nothing, somebody else's hash, or records without their store. */
async function absent(session: Session): Promise<KeywrightError> {
  const { location, names } = session
  const [own, index] = await session.ask((link) =>
    link.commands([
      ['EXISTS', names.store],
      ['EXISTS', names.index],
    ]),
  )
  if (own === 1) return foreign(location)
  if (index === 1) {
    return storeError(
      'ERR_STORE_CORRUPT',
      location,
      `has records, but ${names.store} is gone`,
      'restore Redis from a backup; no store is made over records that are there',
    )
  }
  return storeError(
    'ERR_STORE_MISSING',
    location,
    'is not there',
    `check ${STORE_URL}; only "create: true" (keywright init) makes a new store`,
  )
}

function foreign(location: string): KeywrightError {
  return storeError(
    'ERR_STORE_FOREIGN',
    location,
    'is data of another program, not a key store',
    `add ?namespace=<another> to ${STORE_URL}`,
  )
}
