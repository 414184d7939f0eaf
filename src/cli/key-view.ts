/** Keys as the command line shows them. */
import type { KeyInfo } from '../keys/views.ts'
import type { KeyState } from '../store.ts'
import { type Cell, type Column, count, day, instant, type Style, span } from './text.ts'

export const STATE_STYLES: Readonly<Record<KeyState, Style>> = {
  pending: 'cyan',
  active: 'green',
  deactivated: 'dim',
  suspended: 'yellow',
  compromised: 'red',
  destroyed: 'dim',
}

const iso = (at: number): string => new Date(at).toISOString()

/** As JSON: times are ISO 8601 in UTC. */
export function keyJson(key: KeyInfo): Record<string, unknown> {
  const { createdAt, activatesAt, deactivatedAt, rotatesAt, expiresAt, ...rest } = key
  const times = { createdAt, activatesAt, deactivatedAt, rotatesAt, expiresAt }
  const set = Object.entries(times).flatMap(([name, at]) => (at === undefined ? [] : [[name, iso(at)]]))
  return { ...rest, ...Object.fromEntries(set) }
}

export const KEY_COLUMNS: readonly Column[] = [
  { title: 'keyring' },
  { title: 'version', align: 'right' },
  { title: 'id', align: 'right' },
  { title: 'state' },
  { title: 'age', align: 'right' },
  { title: 'next rotation' },
  { title: 'messages', align: 'right' },
  { title: 'wrapped by' },
]

/** One row under {@link KEY_COLUMNS}. */
export function keyRow(key: KeyInfo, now: number): (string | Cell)[] {
  return [
    key.keyring,
    String(key.version),
    String(key.id),
    { text: key.state, style: STATE_STYLES[key.state] },
    span(now - key.createdAt),
    nextRotation(key, now),
    key.usage.messages.toLocaleString('en-US'),
    wrapsOf(key) || '-',
  ]
}

function nextRotation(key: KeyInfo, now: number): string | Cell {
  if (key.due) return { text: dueText(key), style: key.overdue ? 'red' : 'yellow' }
  if (key.state === 'pending') return `active from ${day(key.activatesAt, now)}`
  if (key.state !== 'active') return '-'
  return key.rotatesAt === undefined ? 'never' : day(key.rotatesAt, now)
}

const dueText = (key: KeyInfo): string => `${key.overdue ? 'overdue' : 'due'} (${key.dueReasons.join(', ')})`

const wrapsOf = (key: KeyInfo): string =>
  key.wraps.map(({ provider, masterKeyVersion }) => `${provider}:${masterKeyVersion}`).join(', ')

/** Everything about one key. */
export function keyFacts(key: KeyInfo, now: number): [string, string | Cell | undefined][] {
  const at = (time: number | undefined): string | undefined =>
    time === undefined ? undefined : instant(time, now)
  return [
    ['key id', String(key.id)],
    ['keyring', key.keyring],
    ['version', String(key.version)],
    ['state', { text: key.state, style: STATE_STYLES[key.state] }],
    ['reason', key.statusReason],
    ['algorithm', key.algorithm],
    ['created', at(key.createdAt)],
    ['active from', at(key.activatesAt)],
    ['replaced', at(key.deactivatedAt)],
    ['next rotation', key.due ? dueText(key) : at(key.rotatesAt)],
    ['max age', at(key.expiresAt)],
    ['usage', `${count(key.usage.messages, 'message')} leased, ${count(key.usage.bytes, 'byte')} reported`],
    ...key.wraps.map(({ provider, masterKeyId, masterKeyVersion }, index): [string, string] => [
      index === 0 ? 'wrapped by' : '',
      `${provider}, master key ${masterKeyId} version ${masterKeyVersion}`,
    ]),
    ...(key.wraps.length === 0 ? [['wrapped by', 'nobody: it was destroyed'] as [string, string]] : []),
  ]
}
