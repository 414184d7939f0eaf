/** `stats`. */
import type { KeyStatistics } from '../../keys/views.ts'
import { formatSize } from '../../policy/size.ts'
import type { Call } from '../call.ts'
import { withKeywright } from '../opened.ts'
import { type Cell, count, instant } from '../text.ts'

export async function stats(call: Call): Promise<undefined> {
  const { io, output } = call
  await withKeywright(call, async ({ keys }) => {
    const found = await keys.statistics()
    const { nextRotationAt, ...rest } = found
    const next =
      nextRotationAt === undefined ? {} : { nextRotationAt: new Date(nextRotationAt).toISOString() }
    await output.result({ ...rest, ...next }, output.facts(factsOf(found, io.now())))
  })
}

function factsOf(found: KeyStatistics, now: number): [string, string | Cell | undefined][] {
  const { usage, due, overdue, expired, nextRotationAt } = found
  return [
    ['keys', `${found.keys.toLocaleString('en-US')} in ${count(found.keyrings, 'keyring')}`],
    ['by state', list(found.byState)],
    ['by key type', list(found.byKeyType)],
    ['by provider', list(found.byProvider)],
    ['due', flagged(due, overdue > 0 ? `, ${overdue} of them overdue` : '', overdue > 0)],
    ['expired', flagged(expired, expired === 0 ? '' : ', see keywright keys cleanup', false)],
    ['next rotation', nextRotationAt === undefined ? undefined : instant(nextRotationAt, now)],
    ['messages', `${usage.messages.toLocaleString('en-US')} leased, ${formatSize(usage.bytes)} encrypted`],
  ]
}

function flagged(number: number, more: string, bad: boolean): Cell {
  return { text: `${number}${more}`, style: bad ? 'red' : number > 0 ? 'yellow' : 'plain' }
}

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, number]) => number > 0)
    .map(([name, number]) => `${name} ${number}`)
    .join(', ') || 'none'
