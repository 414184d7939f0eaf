/** A process that appends lines to a log until it is done or killed: node log-writer.ts <place> <path> <name> <count>. */
import { writeSync } from 'node:fs'
import { lineLog } from '../../src/integrations/log-lines.ts'
import { openPlace, type Place } from '../race/support/place.ts'

const [place = '', path = '', name = '', count = ''] = process.argv.slice(2)
const kw = await openPlace(JSON.parse(place) as Place)
const log = lineLog(kw, { path, log: 'test' })
for (let line = 1; line <= Number(count); line++) {
  const { position } = await log.append(`${name} ${line}`)
  writeSync(1, `${position} ${name} ${line}\n`)
}
await kw.close()
