/**
 * An application that changes rows all the time: says after each batch what now stands where, and at the end how much
 * it has written.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { fieldOf, openWorld, TABLE, type World } from './world.ts'

const BATCH = 20
const PAUSE_MS = 20

const [, , world = '', rows = '0'] = process.argv
const at = JSON.parse(world) as World
const keywright = await openWorld(at)
const client = new pg.Client({ connectionString: at.database, application_name: 'writer' })
await client.connect()
const field = fieldOf(keywright)
const count = JSON.parse(rows) as number
let isOver = false
process.once('SIGTERM', () => {
  isOver = true
})
const tell = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
tell('ready')
for (let turn = 0; !isOver; turn++) {
  const written: [number, string][] = []
  for (let n = 0; n < BATCH; n++) {
    const id = 1 + Math.floor(Math.random() * count)
    const value = `written ${turn}.${n}`
    const ssn = await field.encrypt(value, { row: String(id) })
    await client.query(`UPDATE ${TABLE} SET ssn = $2 WHERE id = $1`, [id, ssn])
    written.push([id, value])
  }
  tell(written)
  await delay(PAUSE_MS)
}
tell('over')
await client.end()
await keywright.close()
