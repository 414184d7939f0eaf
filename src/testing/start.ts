/** Starting the emulator of a backend: in a container where Docker can, else as a program of this machine. */
import { KeywrightError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { startInContainer } from './containers/backends.ts'
import { askDocker, describeDocker } from './containers/docker.ts'
import { imageOf } from './containers/images.ts'
import type {
  Emulator,
  EmulatorKind,
  EmulatorName,
  EmulatorOptions,
  LocalServer,
  Missing,
} from './emulator.ts'
import { LOCAL_SERVERS } from './servers.ts'

const KINDS: readonly string[] = ['auto', 'container', 'native', 'fake']
const VARIABLE = 'KEYWRIGHT_EMULATORS'
/** What a server can be told to be. */
const VARIANTS: Partial<Readonly<Record<EmulatorName, readonly string[]>>> = {
  'azure-key-vault': ['managed-hsm'],
}

/**
 * Starts the server of a backend or store for tests, with a first master key, and says how to reach it.
 *
 *     const vault = await startEmulator('vault')
 *     const keywright = await open({ environment: vault.env, storeUrl: 'memory:', create: true })
 *     …
 *     await vault.stop()
 *
 * 'auto' takes a container where Docker has the image or can pull it, else a program on this machine (installed into
 * ~/.cache/keywright or, as root, from Debian's packages), else, for Azure and Google, a wire fake in this process.
 *
 * Throws ERR_EMULATOR_UNAVAILABLE with what to install when none of them can be had, ERR_ARGUMENT_INVALID for a name,
 * kind or server that does not exist.
 */
export async function startEmulator(name: EmulatorName, options: EmulatorOptions = {}): Promise<Emulator> {
  checkName(name)
  const kind = kindOf(options)
  if (kind === 'container') return startInContainer(name, options)
  if (kind !== 'auto') return startLocal(name, kind, options)
  const image = imageOf(name)
  const state = options.server === undefined ? await askDocker(image) : 'no-docker'
  const reasons: string[] = []
  if (state === 'ready' || state === 'no-image') {
    try {
      return await startInContainer(name, options)
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
      reasons.push(error.message)
    }
  } else reasons.push(describeDocker(state, image).reason)
  return startLocal(name, undefined, options, reasons)
}

function checkName(name: string): void {
  if (Object.hasOwn(LOCAL_SERVERS, name)) return
  const names = Object.keys(LOCAL_SERVERS)
  const close = nearest(name, names)
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'there is no emulator of that name', {
    hint: `${close === undefined ? '' : `did you mean "${close}"? `}known: ${names.join(', ')}`,
  })
}

function kindOf({ kind }: EmulatorOptions): 'auto' | EmulatorKind {
  const wanted = kind ?? (process.env[VARIABLE] || 'auto')
  if (KINDS.includes(wanted)) return wanted as 'auto' | EmulatorKind
  const where = kind === undefined ? VARIABLE : 'the option kind'
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `${where} is none of ${KINDS.join(', ')}`, {
    hint: `unset it, or use one of ${KINDS.join(', ')}`,
  })
}

/** A native server, and where there is none of the kind 'native', the fake. */
async function startLocal(
  name: EmulatorName,
  kind: Exclude<EmulatorKind, 'container'> | undefined,
  options: EmulatorOptions,
  reasons: readonly string[] = [],
): Promise<Emulator> {
  const missing: Missing[] = []
  const servers = await localServers(name, kind, options.server)
  if (servers.length === 0) {
    throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `there is no ${kind} server for ${name}`, {
      hint: "leave the option kind out, or use 'native' or 'container'",
    })
  }
  for (const server of servers) {
    const lacks = await server.install()
    if (lacks === undefined) return server.start(options)
    missing.push({ ...lacks, reason: `${server.server}: ${lacks.reason}` })
  }
  const why = [...reasons, ...missing.map(({ reason }) => reason)].join('; ')
  const remedies = [`docker pull ${imageOf(name)}`, ...missing.map(({ remedy }) => remedy)]
  throw new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `no server for ${name} can be had here: ${why}`, {
    hint: `one of these is enough: ${remedies.join('; or ')}`,
    details: { emulator: name },
  })
}

async function localServers(
  name: EmulatorName,
  kind: Exclude<EmulatorKind, 'container'> | undefined,
  server: string | undefined,
): Promise<LocalServer[]> {
  const rows = LOCAL_SERVERS[name]
  const named = rows.filter((row) => row.name === server)
  if (server !== undefined && named.length === 0 && !VARIANTS[name]?.includes(server)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `there is no such server for ${name}`, {
      hint: `known: ${[...rows.map((row) => row.name), ...(VARIANTS[name] ?? [])].join(', ')}`,
    })
  }
  const all = await Promise.all((named.length > 0 ? named : rows).map(({ load }) => load()))
  // Nobody who asks for nothing in particular gets a fake where there is a real server.
  const real = all.filter((one) => one.kind === 'native')
  if (kind === 'fake') return all.filter((one) => one.kind === 'fake')
  if (kind === 'native' || (kind === undefined && named.length === 0 && real.length > 0)) {
    return real.length > 0 ? real : all
  }
  return all
}
