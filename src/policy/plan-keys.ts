/** For how many keys another policy makes a difference. */
import { evaluateKey, type KeyFacts, type Operation, rotationDue } from './evaluate.ts'
import { readKeyring } from './keyring-name.ts'
import type { KeyTypePolicy } from './policy.ts'

/** A key as the plan sees it. */
export interface PlanKey extends KeyFacts {
  readonly keyring: string
  /** Names of the providers that hold a wrap of it. */
  readonly wrappedBy: readonly string[]
}

/** Numbers of keys; destroyed ones are left out. */
export interface KeyCounts {
  readonly keys: number
  /** Rotation was not due and becomes due. */
  readonly becomeDue: number
  readonly noLongerDue: number
  readonly stopEncrypting: number
  readonly startEncrypting: number
  readonly stopDecrypting: number
  readonly startDecrypting: number
  /** The provider changes, and the new one holds no wrap yet. */
  readonly moveProvider: number
}

/** Compares the two policies of one key type (`undefined`: there is none) over its keys. */
export function countKeys(
  before: KeyTypePolicy | undefined,
  after: KeyTypePolicy | undefined,
  keys: readonly PlanKey[],
  now: number,
): KeyCounts {
  const may = (policy: KeyTypePolicy | undefined, operation: Operation) => (key: PlanKey) =>
    policy !== undefined && evaluateKey(policy, operation, key, now).allowed
  const due = (policy: KeyTypePolicy | undefined) => (key: PlanKey) =>
    policy !== undefined && rotationDue(policy, key, now).due
  const count = (was: (key: PlanKey) => boolean, is: (key: PlanKey) => boolean): number =>
    keys.filter((key) => !was(key) && is(key)).length
  const moves = (key: PlanKey): boolean =>
    before !== undefined &&
    after !== undefined &&
    before.provider !== after.provider &&
    !key.wrappedBy.includes(after.provider)
  return {
    keys: keys.length,
    becomeDue: count(due(before), due(after)),
    noLongerDue: count(due(after), due(before)),
    stopEncrypting: count(may(after, 'encrypt'), may(before, 'encrypt')),
    startEncrypting: count(may(before, 'encrypt'), may(after, 'encrypt')),
    stopDecrypting: count(may(after, 'decrypt'), may(before, 'decrypt')),
    startDecrypting: count(may(before, 'decrypt'), may(after, 'decrypt')),
    moveProvider: keys.filter(moves).length,
  }
}

/** Keys by key type. Keys whose keyring has no readable name are under ''. */
export function groupByType(keys: readonly PlanKey[]): ReadonlyMap<string, readonly PlanKey[]> {
  return Map.groupBy(keys, ({ keyring }) => readKeyring(keyring)?.keyType ?? '')
}
