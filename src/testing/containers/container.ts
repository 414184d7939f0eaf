/** Containers through testcontainers, an optional peer that is loaded when the first one is started. */
import { KeywrightError } from '../../errors.ts'
import type { EmulatorName, EmulatorOptions } from '../emulator.ts'
import { askDocker, describeDocker } from './docker.ts'
import { imageOf } from './images.ts'

const START_MS = 120_000

/** What runs in a container, and when it is ready. */
export interface ContainerPlan {
  readonly ports: readonly [number, ...number[]]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** A line of its log, how often it comes; or a path that answers over HTTP on the first port. */
  readonly ready: { readonly log: RegExp; readonly times?: number } | { readonly path: string }
}

export interface RunningContainer {
  readonly image: string
  readonly host: string
  /** The port of this machine that leads to a port of the container. */
  port(inside: number): number
  /** Ends and removes it. Twice is harmless. */
  stop(): Promise<void>
}

/**
 * Starts a container. Throws ERR_EMULATOR_UNAVAILABLE when there is no Docker, when it does not answer, or when it
 * cannot pull the image; ERR_DEPENDENCY_MISSING without testcontainers.
 */
export async function startContainer(
  name: EmulatorName,
  plan: ContainerPlan,
  options: EmulatorOptions,
): Promise<RunningContainer> {
  const image = imageOf(name)
  const state = await askDocker(image)
  if (state !== 'ready' && state !== 'no-image') {
    const { reason, remedy } = describeDocker(state, image)
    throw unavailable(name, reason, remedy)
  }
  const lib = await import('testcontainers').catch(() => {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'cannot import testcontainers', {
      hint: 'npm install --save-dev testcontainers, or set KEYWRIGHT_EMULATORS=native',
    })
  })
  const { GenericContainer, Wait } = lib
  const wait =
    'log' in plan.ready
      ? Wait.forLogMessage(plan.ready.log, plan.ready.times)
      : Wait.forHttp(plan.ready.path, plan.ports[0]).forStatusCodeMatching((status) => status < 500)
  const container = new GenericContainer(image)
    .withExposedPorts(...plan.ports)
    .withEnvironment({ ...plan.environment })
    .withWaitStrategy(wait)
    .withStartupTimeout(options.startTimeoutMs ?? START_MS)
  if (plan.command !== undefined) container.withCommand([...plan.command])
  const started = await container.start().catch((error: unknown) => {
    const why = error instanceof Error ? error.message.split('\n')[0] : ''
    throw unavailable(name, `the container of ${image} did not start (${why})`, `docker pull ${image}`)
  })
  let stopped: Promise<unknown> | undefined
  return {
    image,
    host: started.getHost(),
    port: (inside) => started.getMappedPort(inside),
    stop: async () => {
      stopped ??= started.stop({ remove: true, removeVolumes: true })
      await stopped
    },
  }
}

function unavailable(name: EmulatorName, reason: string, remedy: string): KeywrightError {
  return new KeywrightError('ERR_EMULATOR_UNAVAILABLE', `no container for ${name}: ${reason}`, {
    hint: remedy,
    details: { emulator: name },
  })
}
