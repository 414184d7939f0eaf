/** `drill`. */
import type { DrillReport, LostKey } from '../../jobs/drill.ts'
import { type Call, wrongUse } from '../call.ts'
import { jobOptionsOf, selectionOf } from '../job-call.ts'
import { withKeywright } from '../opened.ts'
import { count } from '../text.ts'

export async function drill(call: Call): Promise<number> {
  const { options, output } = call
  const [without, only] = [namesIn(options.text('without')), namesIn(options.text('only'))]
  if ((without === undefined) === (only === undefined)) {
    throw wrongUse('name either --without or --only', 'keywright drill --without aws')
  }
  return withKeywright(call, async ({ jobs }) => {
    const report = await jobs.drill({
      ...selectionOf(call),
      ...jobOptionsOf(call),
      ...(without === undefined ? {} : { without }),
      ...(only === undefined ? {} : { only }),
    })
    await output.status('')
    const table = report.lost.length === 0 ? '' : output.table(COLUMNS, report.lost.map(rowOf))
    await output.result(report, `${summary(report)}\n${table}`)
    return report.lost.length === 0 ? 0 : 1
  })
}

const namesIn = (text: string | undefined): string[] | undefined =>
  text
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

const COLUMNS = [
  { title: 'keyring' },
  { title: 'version', align: 'right' },
  { title: 'id', align: 'right' },
  { title: 'status' },
  { title: 'tried' },
] as const

const rowOf = ({ keyId, keyring, version, status, tried }: LostKey): string[] => [
  keyring,
  String(version),
  String(keyId),
  status,
  tried.map(({ provider, code }) => `${provider}: ${code}`).join(', ') || 'no other wrap',
]

function summary({ keys, lost, openedBy, without }: DrillReport): string {
  const opened = Object.entries(openedBy)
    .map(([provider, number]) => `${provider} opens ${number.toLocaleString('en-US')}`)
    .join(', ')
  const verdict = lost.length === 0 ? 'all open' : `${count(lost.length, 'key')} would be lost`
  return `without ${without.join(', ') || 'nobody'}: ${verdict} of ${count(keys, 'key')}${opened === '' ? '' : `; ${opened}`}`
}
