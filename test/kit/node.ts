/** What the Node that runs the tests can do. */
import * as crypto from 'node:crypto'

/** Why something about `kdf` cannot be tried here; undefined when it can. */
export function withoutKdf(kdf: string): string | undefined {
  const has = kdf !== 'argon2id' || 'argon2Sync' in crypto
  return has ? undefined : `Node ${process.version} has no Argon2id`
}

/** Why text with a NUL cannot be read whole here; undefined when it can. */
export const cutsTextAtNul =
  Number.parseInt(process.versions.node, 10) < 24 && 'SQLite of Node 22 ends text at NUL'
