/** Where the quickstart's master key is: a file in its folder, or an emulator that ends with it. */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type OpenOptions, open } from '../../compose.ts'
import { readPolicyDocument } from '../../config/policy-document.ts'
import type { Keywright } from '../../keywright.ts'
import { parseJsonText } from '../../policy/json-text.ts'
import type { EmulatorName } from '../../testing/emulator.ts'
import { startEmulator } from '../../testing/start.ts'
import { wrongUse } from '../call.ts'
import type { Print } from './print.ts'
import type { ExamplePlace } from './retire.ts'

/** As ENCRYPTION_KEY_STORAGE_BACKEND names them → their emulator. */
const EMULATORS: Readonly<Record<string, EmulatorName>> = {
  redis: 'redis',
  vault: 'vault',
  aws_kms: 'aws-kms',
  azure_kv: 'azure-key-vault',
  gcp_kms: 'gcp-kms',
}

interface Place {
  /** The table that is made in a folder, as a place of ciphertexts. */
  readonly placeIn: (folder: string) => ExamplePlace
  readonly folder: string
  readonly print: Print
  /** Runs `undo`, which must not wait, when the program is interrupted before `done`. */
  readonly onInterrupt: (undo: () => void) => { done(): void }
}

/** An open Keywright, and what has to be said and done after it was closed. */
export interface Opened {
  readonly kw: Keywright
  readonly example: ExamplePlace
  /** Everything is made in here. */
  readonly folder: string
  /** Resolves to where things are now. */
  end(): Promise<string>
}

/** Throws ERR_ARGUMENT_INVALID for a backend that the quickstart does not know. */
export async function openQuickstart(place: Place, backend: string): Promise<Opened> {
  if (backend === 'file') return openFile(place)
  const name = EMULATORS[backend] ?? Object.values(EMULATORS).find((one) => one === backend)
  if (name !== undefined) return openOnEmulator(place, name)
  throw wrongUse(
    '--backend names no backend that the quickstart can start',
    `known: file, ${Object.keys(EMULATORS).join(', ')}`,
  )
}

const common = async (folder: string, example: ExamplePlace): Promise<OpenOptions> => ({
  config: await policyOfDemonstration(),
  places: [example],
  storeUrl: `sqlite:${join(folder, 'keys.db')}`,
  audit: join(folder, 'audit.jsonl'),
  create: true,
  actor: 'quickstart',
})

async function openFile({ folder, placeIn }: Place): Promise<Opened> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const example = placeIn(folder)
  const kw = await open({
    ...(await common(folder, example)),
    backend: 'file',
    path: join(folder, 'master.keys'),
    masterKey: await rootKey(join(folder, 'root.key')),
    environment: {}, // a demonstration does not touch what the environment configures
  })
  const end = async (): Promise<string> =>
    `everything is in ${folder}/ (root.key opens it: delete the folder to start over)`
  return { kw, example, folder, end }
}

/** In a folder of its own: what is in it opens as long as the emulator runs, and goes with it. */
async function openOnEmulator(
  { folder: parent, placeIn, print, onInterrupt }: Place,
  name: EmulatorName,
): Promise<Opened> {
  const emulator = await startEmulator(name)
  let folder: string | undefined
  const clear = async (): Promise<void> => {
    await emulator.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  }
  try {
    await print.step(
      `started ${emulator.server} at ${emulator.endpoint} (${emulator.kind}); the environment:`,
    )
    for (const [variable, value] of Object.entries(emulator.env))
      await print.line(`${variable}=${isSecret(variable) ? '(made for this run)' : value}`)
    await mkdir(parent, { recursive: true, mode: 0o700 })
    folder = await mkdtemp(join(parent, `${name}-`))
    const made = folder
    const interrupt = onInterrupt(() => rmSync(made, { recursive: true, force: true }))
    const example = placeIn(made)
    const kw = await open({ ...(await common(made, example)), environment: emulator.env })
    const end = async (): Promise<string> => {
      await clear()
      interrupt.done()
      return `${emulator.server} has ended and its master key with it; what was made in ${made}/ was removed`
    }
    return { kw, example, folder: made, end }
  } catch (error) {
    await clear()
    throw error
  }
}

/** The policy document of this folder, if there is one, without grace: the demonstration ends with a destroyed key. */
async function policyOfDemonstration(): Promise<object> {
  const document = await readPolicyDocument(undefined, undefined)
  const stated: unknown = document?.text === undefined ? {} : parseJsonText(document.text, document.path)
  const members = typeof stated === 'object' && stated !== null ? (stated as Record<string, object>) : {}
  return { ...members, defaults: { ...members['defaults'], grace: '0s' } }
}

const isSecret = (variable: string): boolean => /TOKEN|SECRET|MASTER_KEY|REDIS_URL|STORE_URL/.test(variable)

/** A root key for this folder only; the second run finds it. */
async function rootKey(path: string): Promise<string> {
  try {
    await writeFile(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFile(path, 'utf8')
}
