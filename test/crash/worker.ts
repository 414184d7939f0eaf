/**
 * Changes keys until it is killed: node worker.ts <place>, JSON. Loads everything, says that it is ready and waits
 * for its order. Tells of each operation that it begins and that it has ended, and everything it encrypted, at once:
 * what was told counts.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openPlace, type Place } from '../race/support/place.ts'
import { KEY_TYPES, type Line, OPERATIONS, type Operation, type Order } from './protocol.ts'
import { randomFrom } from './random.ts'

const keywright = await openPlace(JSON.parse(process.argv[2] ?? '') as Place)

function tell(line: Line): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

const DO: Readonly<Record<Operation, (keyType: string, tenant: string) => Promise<unknown>>> = {
  create: (keyType, tenant) => keywright.keyring(keyType, { tenant }),
  rotateNow: (keyType) => keywright.keys.rotate(keyType, { force: true, now: true }),
  rotateAhead: (keyType) => keywright.keys.rotate(keyType, { force: true }),
  rotateMaster: () => keywright.keys.rotateMaster('file'),
  rewrap: (keyType) => keywright.keys.rewrap({ keyring: keyType }),
}

async function work([wanted, seed]: Order): Promise<never> {
  const random = randomFrom(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  for (let turn = 0; ; turn++) {
    const keyType = pick(KEY_TYPES)
    const tenant = `t${Math.floor(random() * 2 ** 32)}`
    // There is something to rewrap only after the master key was rotated.
    const prelude = wanted === 'rewrap' ? 'rotateMaster' : pick(OPERATIONS)
    const operation = turn % 2 === 0 ? prelude : wanted
    tell(['begin', operation])
    const begun = performance.now()
    await DO[operation](keyType, tenant)
    tell(['end', operation, performance.now() - begun])
    const text = `${seed}/${turn}: ${keyType} after ${operation}`
    const options = operation === 'create' ? { tenant } : {}
    tell(['sealed', await keywright.encrypt(keyType, text, options), text])
  }
}

await keywright.ready(KEY_TYPES)
tell(['ready'])
for await (const line of createInterface({ input: process.stdin })) await work(JSON.parse(line) as Order)
