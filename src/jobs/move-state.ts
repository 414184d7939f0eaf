/** How far a key has got on its way from one provider to another: told by its wraps alone. Pure. */
import type { KeyRecord, WrappedKey } from '../store.ts'

/** source → added → preferred → moved. */
export type MoveState =
  /** Wrapped by the old provider, not by the new one. */
  | 'source'
  /** Wrapped by both, the old one first. */
  | 'added'
  /** Wrapped by both, the new one first. */
  | 'preferred'
  /** Wrapped by the new provider, not by the old one. */
  | 'moved'
  /** Wrapped by neither: not concerned. */
  | 'other'
  | 'destroyed'

export const MOVE_STATES = ['source', 'added', 'preferred', 'moved', 'other', 'destroyed'] as const

/** The state of one key. */
export function moveState({ status, wraps }: KeyRecord, from: string, to: string): MoveState {
  if (status === 'destroyed') return 'destroyed'
  const source = wraps.findIndex(({ provider }) => provider === from)
  const target = wraps.findIndex(({ provider }) => provider === to)
  if (source < 0) return target < 0 ? 'other' : 'moved'
  if (target < 0) return 'source'
  return source < target ? 'added' : 'preferred'
}

/** The wraps of one provider. */
export const wrapsOf = ({ wraps }: KeyRecord, provider: string): WrappedKey[] =>
  wraps.filter((wrap) => wrap.provider === provider)

/** The wraps with `added` right behind those of `provider`. */
export function withWrapBehind(
  wraps: readonly WrappedKey[],
  provider: string,
  added: WrappedKey,
): WrappedKey[] {
  const at = wraps.findLastIndex((wrap) => wrap.provider === provider)
  return [...wraps.slice(0, at + 1), added, ...wraps.slice(at + 1)]
}

/** The wraps with those of `preferred` right before those of `other`; what others prefer stays as it is. */
export function preferring(wraps: readonly WrappedKey[], preferred: string, other: string): WrappedKey[] {
  const first = wraps.filter(({ provider }) => provider === preferred)
  const rest = wraps.filter(({ provider }) => provider !== preferred)
  const at = rest.findIndex(({ provider }) => provider === other)
  return [...rest.slice(0, at), ...first, ...rest.slice(at)]
}

/** The wraps but those of `provider`. */
export const without = (wraps: readonly WrappedKey[], provider: string): WrappedKey[] =>
  wraps.filter((wrap) => wrap.provider !== provider)
