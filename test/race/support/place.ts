/** A folder for one Keywright, and how tests and their child processes open it: by the environment, as programs do. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Keywright, type OpenOptions, open } from '../../../src/index.ts'

/** Where everything of one installation lies. Goes to child processes as JSON. */
export interface Place {
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  readonly policy: object
}

/** A place with a new root key (a password would cost a slow derivation in every process). */
export function placeIn(folder: string, policy: object = {}, more: Record<string, string> = {}): Place {
  const environment = {
    ENCRYPTION_KEY_STORAGE_BACKEND: 'file',
    ENCRYPTION_KEY_STORAGE_PATH: join(folder, 'master.keys'),
    ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64'),
    ...more,
  }
  return { folder, environment, policy }
}

/** A place in a new folder below the system's one for temporary files. */
export function newPlace(policy: object = {}): Place {
  return placeIn(mkdtempSync(join(tmpdir(), 'keywright-race-')), policy)
}

export function removePlace(place: Place): void {
  rmSync(place.folder, { recursive: true, force: true })
}

export function openPlace({ environment, policy }: Place, options: OpenOptions = {}): Promise<Keywright> {
  return open({ environment, config: policy, ...options })
}
