/** Whether a ciphertext is under the key that encrypts now, so that what a client keeps can be renewed when it is not. */
import { inspect } from '../../data/inspect.ts'
import type { Keywright } from '../../keywright.ts'

/** How long an answer of the key store is believed: as long as a process may keep its keyrings by default. */
const BELIEVED_MS = 60_000

interface Known {
  readonly at: number
  readonly id: Promise<number | undefined>
}

class ActiveKey {
  readonly #kw: Keywright
  readonly #keyType: string
  readonly #tenant: { readonly tenant?: string }
  #known: Known | undefined

  constructor(kw: Keywright, keyType: string, tenant: string | undefined) {
    this.#kw = kw
    this.#keyType = keyType
    this.#tenant = tenant === undefined ? {} : { tenant }
  }

  /**
   * Whether `ciphertext` is under another key than the active one. Asks the key store once a minute; while it is not
   * to be reached nothing counts as old.
   */
  async isOld(ciphertext: string, now: number): Promise<boolean> {
    if (this.#known === undefined || now >= this.#known.at + BELIEVED_MS)
      this.#known = { at: now, id: this.#ask() }
    const active = await this.#known.id
    return active !== undefined && active !== keyId(ciphertext)
  }

  async #ask(): Promise<number | undefined> {
    try {
      return (await this.#kw.keys.active(this.#keyType, this.#tenant))?.id
    } catch {
      return undefined // renewing is a courtesy: it must not fail a request
    }
  }
}

export type { ActiveKey }

const KNOWN = new WeakMap<Keywright, Map<string, ActiveKey>>()
/** Tenants come and go; what is forgotten costs one question to the key store. */
const MAX_KNOWN = 10_000

/** The one of a keyring: everybody who asks shares the answers. */
export function activeKey(kw: Keywright, keyType: string, tenant: string | undefined): ActiveKey {
  let known = KNOWN.get(kw)
  if (known === undefined || known.size >= MAX_KNOWN) {
    known = new Map()
    KNOWN.set(kw, known)
  }
  const keyring = tenant === undefined ? keyType : `${keyType}/${tenant}`
  const active = known.get(keyring) ?? new ActiveKey(kw, keyType, tenant)
  known.set(keyring, active)
  return active
}

/** The key that a ciphertext names. */
function keyId(ciphertext: string): number {
  const seen = inspect(ciphertext)
  return 'keyId' in seen ? seen.keyId : 0
}
