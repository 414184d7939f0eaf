/** Which fields are encrypted under which key type, and why: what --field says, else the selectors of the policy. */
import { keyTypePolicy } from '../../policy/keyring-name.ts'
import type { Policy } from '../../policy/policy.ts'
import { selectKeyType } from '../../policy/selectors.ts'
import { wrongUse } from '../call.ts'

export interface Choice {
  /** Absent: the field stays as it is. */
  readonly keyType?: string
  /** For people. */
  readonly reason: string
}

/** Names that are data (maps by id) must not fill the memory. */
const MAX_REMEMBERED = 10_000

export class Chooser {
  readonly #policy: Policy
  readonly #stated: ReadonlyMap<string, string | undefined>
  readonly #selectors: boolean
  readonly #prefix: string
  readonly #known = new Map<string, Choice>()
  readonly #met = new Set<string>()

  /**
   * `stated`: what --field gave, as 'column=key_type'. Throws ERR_ARGUMENT_INVALID and ERR_KEY_TYPE_UNKNOWN.
   */
  constructor(
    policy: Policy,
    stated: readonly string[],
    options: { table: string | undefined; selectors: boolean },
  ) {
    this.#policy = policy
    this.#stated = parseStated(policy, stated)
    this.#selectors = options.selectors
    this.#prefix = options.table === undefined ? '' : `${options.table}.`
    if (!options.selectors && stated.length === 0) {
      throw wrongUse('no column is named', '--no-selectors needs --field <column=key_type>')
    }
  }

  choose(path: string): Choice {
    const known = this.#known.get(path)
    if (known !== undefined) return known
    const choice = this.#decide(path)
    if (this.#known.size < MAX_REMEMBERED) this.#known.set(path, choice)
    return choice
  }

  /** Columns that --field names and that were never met. */
  get unmet(): readonly string[] {
    return [...this.#stated.keys()].filter((path) => !this.#met.has(path))
  }

  get stated(): readonly string[] {
    return [...this.#stated.keys()]
  }

  #decide(path: string): Choice {
    if (this.#stated.has(path)) {
      this.#met.add(path)
      const keyType = this.#stated.get(path)
      return keyType === undefined
        ? { reason: '--field leaves it alone' }
        : { keyType, reason: '--field names it' }
    }
    if (!this.#selectors) return { reason: '--field does not name it' }
    const selection = selectKeyType(this.#policy, this.#prefix + path)
    if (selection === undefined) return { reason: 'no selector matches it' }
    return { keyType: selection.keyType, reason: selection.reason }
  }
}

function parseStated(policy: Policy, stated: readonly string[]): Map<string, string | undefined> {
  const parsed = new Map<string, string | undefined>()
  for (const one of stated) {
    const at = one.lastIndexOf('=')
    const [path, keyType] = [one.slice(0, at), one.slice(at + 1)]
    if (at <= 0 || keyType === '')
      throw wrongUse('--field is not <column=key_type>', 'write --field note=pii, or --field note=none')
    if (parsed.has(path)) throw wrongUse('--field names a column twice', 'name each column once')
    if (keyType !== 'none') keyTypePolicy(policy, keyType)
    parsed.set(path, keyType === 'none' ? undefined : keyType)
  }
  return parsed
}
