/**
 * One of several processes that do the same thing at once: node child.ts <number> <command> <place>, all JSON.
 * Prints "ready", waits for a line, does it and prints what came of it: { value } or { code, message }.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Keywright } from '../../src/index.ts'
import { openStore } from '../../stores/index.ts'
import { openPlace, type Place } from './support/place.ts'

export interface Sealed {
  readonly text: string
  readonly ciphertext: string
}

export interface CreateResult {
  readonly installation: string
  readonly masterKey: string
  readonly sealed: readonly Sealed[]
}

export interface RotateResult {
  readonly rotated: boolean
  readonly version: number
  readonly sealed: readonly Sealed[]
}

export interface LeaseResult {
  readonly sealed: number
  readonly code: string
  readonly bytes: number
}

export interface Attempt {
  /** Just before it, milliseconds since the epoch. */
  readonly at: number
  /** 'ok' or the code of the error. */
  readonly answer: string
}

const [number = 0, command = '', place] = process.argv.slice(2).map((argument) => JSON.parse(argument)) as [
  number,
  string,
  Place,
]
const lines = createInterface({ input: process.stdin })
const print = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`)

async function go(): Promise<void> {
  print('ready')
  await once(lines, 'line')
}

const instances: Keywright[] = []

/** Opens the place; what was opened is closed before the answer is given. */
async function opened(options?: { create: boolean }): Promise<Keywright> {
  const keywright = await openPlace(place, options)
  instances.push(keywright)
  return keywright
}

const closeAll = () => Promise.all(instances.map((keywright) => keywright.close()))

async function sealSome(keywright: Keywright, count: number): Promise<Sealed[]> {
  const keyring = await keywright.keyring('pii')
  const sealed: Sealed[] = []
  for (let n = 0; n < count; n++) {
    const text = `value ${n} of process ${number}`
    sealed.push({ text, ciphertext: await keyring.encrypt(text) })
  }
  return sealed
}

const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  async encrypt() {
    const keywright = await opened()
    await go()
    return await sealSome(keywright, 20) // before it is closed
  },

  async create(): Promise<CreateResult> {
    await go()
    const keywright = await opened({ create: true })
    const sealed = await sealSome(keywright, 5)
    const [key] = await keywright.keys.list()
    const store = await openStore(`sqlite:${place.folder}/keys.db`)
    const { installation } = await store.describe()
    await store.close?.()
    return { installation, masterKey: key?.wraps[0]?.masterKeyId ?? '', sealed }
  },

  async rotate(): Promise<RotateResult> {
    const keywright = await opened()
    const before = await sealSome(keywright, 5)
    await go()
    const { rotated, key } = await keywright.keys.rotate('pii', { force: true, now: true })
    return { rotated, version: key.version, sealed: [...before, ...(await sealSome(keywright, 5))] }
  },

  /** Until the key is exhausted. The even processes use the form that does not wait. */
  async lease(): Promise<LeaseResult> {
    const keywright = await opened()
    const keyring = await keywright.keyring('pii')
    await go()
    for (let sealed = 0; ; sealed++) {
      try {
        if (number % 2 === 0) keyring.encryptSync('12345')
        else await keyring.encrypt('12345')
        if (number % 2 === 0) await new Promise(setImmediate)
      } catch (error) {
        return { sealed, code: String((error as { code?: string }).code), bytes: sealed * 5 }
      }
    }
  },

  /** Tries to encrypt each time a line comes, and says how it went. */
  async tryOnDemand() {
    const keywright = await opened()
    const keyring = await keywright.keyring('pii')
    const { id } = (await keywright.keys.active('pii')) ?? { id: 0 }
    print({ id })
    for await (const line of lines) {
      if (line === 'end') break
      const at = Date.now()
      try {
        keyring.encryptSync('value')
        print({ at, answer: 'ok' })
      } catch (error) {
        print({ at, answer: String((error as { code?: string }).code) })
      }
    }
    return 'done'
  },
}

try {
  const value = await COMMANDS[command]?.()
  await closeAll()
  print({ value })
} catch (error) {
  const { code, message } = error as { code?: string; message?: string }
  print({ code, message })
  await closeAll()
}
lines.close()
process.stdin.destroy()
