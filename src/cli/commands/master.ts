/** `master show | rotate` and `rewrap`. */
import { setTimeout as delay } from 'node:timers/promises'
import { KeywrightError } from '../../errors.ts'
import type { RewrapResult } from '../../keys/rewrap.ts'
import { formatDuration, readDuration } from '../../policy/duration.ts'
import type { MasterKeyDescription } from '../../provider.ts'
import { type Call, wrongUse } from '../call.ts'
import { configuration, withKeywright, withProviders } from '../opened.ts'
import { Progress } from '../progress.ts'
import { type Cell, count, instant } from '../text.ts'

interface Master extends MasterKeyDescription {
  readonly provider: string
  /** Wraps of this provider under an older version. */
  readonly behind: number
}

export async function showMaster(call: Call): Promise<undefined> {
  const { io, output } = call
  const descriptions = await withProviders(call, (calls) =>
    Promise.all(calls.names.map(async (provider) => ({ provider, ...(await calls.describe(provider)) }))),
  )
  const masters: Master[] = await withKeywright(call, async ({ keys }) => {
    const found: Master[] = []
    for (const one of descriptions) {
      const { rewrapped } = await keys.rewrap({ provider: one.provider, dryRun: true })
      found.push({ ...one, behind: rewrapped })
    }
    return found
  })
  const blocks = masters.map((master) => output.facts(factsOf(master, io.now())))
  await output.result(masters.map(masterJson), blocks.join('\n'))
  if (masters.some(({ behind }) => behind > 0))
    await output.note('bring the wraps up to date with: keywright rewrap')
}

function masterJson({ createdAt, rotatesAt, ...rest }: Master): Record<string, unknown> {
  return {
    ...rest,
    ...(createdAt === undefined ? {} : { createdAt: new Date(createdAt).toISOString() }),
    ...(rotatesAt === undefined ? {} : { rotatesAt: new Date(rotatesAt).toISOString() }),
  }
}

function factsOf(master: Master, now: number): [string, string | Cell | undefined][] {
  const { behind, createdAt, rotatesAt, state } = master
  return [
    ['provider', master.provider],
    ['master key', master.id],
    ['version', master.version],
    ['state', { text: state, style: state === 'enabled' ? 'green' : 'red' }],
    ['algorithm', master.algorithm],
    ['created', createdAt === undefined ? undefined : instant(createdAt, now)],
    ['rotates', rotatesAt === undefined ? undefined : instant(rotatesAt, now)],
    [
      'behind',
      behind === 0 ? 'no wrap is under an older version' : `${count(behind, 'wrap')} under an older version`,
    ],
  ]
}

export async function rotateMaster(call: Call): Promise<undefined> {
  const { output } = call
  const { providers } = await configuration(call)
  const names = providers.map(({ name }) => name)
  const [only = ''] = names
  const named = call.options.text('provider')
  if (named === undefined && names.length > 1) {
    throw wrongUse('there are several providers', `name one with --provider: ${names.join(', ')}`)
  }
  const provider = named ?? only
  await withKeywright(call, async ({ keys }) => {
    const { id, version } = await keys.rotateMaster(provider)
    await output.result(
      { provider, masterKeyId: id, version },
      `rotated: ${provider} wraps under version ${version} of ${id} now\n`,
    )
    const { rewrapped } = await keys.rewrap({ provider, dryRun: true })
    if (rewrapped > 0)
      await output.note(`${count(rewrapped, 'wrap')} under an older version; next: keywright rewrap`)
  })
}

export async function rewrap(call: Call): Promise<number> {
  const every = call.options.text('every')
  const pauseMs = every === undefined ? undefined : readDuration(every)
  if (every !== undefined && pauseMs === undefined)
    throw wrongUse('--every expects a duration', 'write it like "30m", "6h" or "1d"')
  for (;;) {
    const code = await rewrapOnce(call).catch((error: unknown) => passing(call, error, pauseMs))
    if (pauseMs === undefined) return code
    await delay(pauseMs, undefined, { signal: call.io.signal })
  }
}

/** Between two rounds an outage may end by itself. */
async function passing({ output }: Call, error: unknown, pauseMs: number | undefined): Promise<number> {
  const isPassing = error instanceof KeywrightError && error.retryable && pauseMs !== undefined
  if (!isPassing) throw error
  await output.warn(`${error.message} (${error.code})`, `it is tried again in ${formatDuration(pauseMs)}`)
  return 1
}

async function rewrapOnce(call: Call): Promise<number> {
  const { options, output } = call
  const dryRun = options.flag('dryRun')
  const [provider, keyring] = [options.text('provider'), options.text('keyring')]
  return withKeywright(call, async ({ keys }) => {
    const progress = new Progress(output, 'keys')
    const result = await keys.rewrap({
      dryRun,
      ...(provider === undefined ? {} : { provider }),
      ...(keyring === undefined ? {} : { keyring }),
      onProgress: ({ keys: done }) => void progress.tick(done),
    })
    await progress.end()
    await output.result({ dryRun, ...result }, `${describeRewrap(result, dryRun)}\n`)
    if (result.keys === 0 && keyring !== undefined)
      await output.warn('there is no such keyring', 'see keywright keys list')
    if (result.conflicts > 0)
      await output.warn(`${count(result.conflicts, 'key')} changed meanwhile`, 'run rewrap again')
    for (const { keyId, keyring: name, code } of result.failed)
      await output.warn(`key ${keyId} of ${name} could not be rewrapped (${code})`, 'see docs/operations.md')
    return result.conflicts + result.failed.length > 0 ? 1 : 0
  })
}

function describeRewrap({ keys, rewrapped, current }: RewrapResult, dryRun: boolean): string {
  const done = dryRun ? 'would be renewed' : 'renewed'
  return `${count(rewrapped, 'wrap')} ${done}, ${current.toLocaleString('en-US')} up to date, ${count(keys, 'key')} looked at`
}
