/** What the commands on files share: their arguments, options and how they are open. */
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { OpenOptions, SealOptions } from '../data/files/options.ts'
import { readSize } from '../policy/size.ts'
import type { KeyProvider } from '../provider.ts'
import { type Call, wrongUse } from './call.ts'
import { write } from './io.ts'
import { withProviders } from './opened.ts'
import { parseContext, parseCount } from './values.ts'

/** Standard input or output. */
export const STANDARD = '-'
export const SUFFIX = '.kwf'

/** How it is encrypted. Throws ERR_ARGUMENT_INVALID and ERR_CONTEXT_INVALID. */
export function sealOptionsOf({ options }: Call): SealOptions {
  return {
    keyType: options.required('keyType', 'name the key type whose key encrypts: --key-type pii'),
    tenant: options.text('tenant'),
    context: parseContext(options.list('context')),
    compression: options.flag('zstd') ? 'zstd' : 'none',
    recoverable: options.flag('recoverable'),
  }
}

/** What is expected of it. Throws ERR_ARGUMENT_INVALID and ERR_CONTEXT_INVALID. */
export function openOptionsOf({ options }: Call): OpenOptions {
  const [keyType, tenant] = [options.text('keyType'), options.text('tenant')]
  if (tenant !== undefined && keyType === undefined)
    throw wrongUse('--tenant needs --key-type', 'leave it out: the key id tells the tenant too')
  if (options.flag('withoutStore') && keyType !== undefined)
    throw wrongUse(
      '--without-store takes no --key-type',
      'there is no key store that knows it; the context binds',
    )
  return {
    keyType,
    tenant,
    context: parseContext(options.list('context')),
    maxInflatedBytes: sizeOf(options.text('maxInflated')),
    maxInflationRatio: parseCount('max-inflation-ratio', options.text('maxInflationRatio')),
  }
}

function sizeOf(text: string | undefined): number | undefined {
  const bytes = readSize(text)
  if (text === undefined || bytes !== undefined) return bytes
  throw wrongUse('--max-inflated is not a size', 'write --max-inflated "20 GiB"')
}

/** How the work is done. Throws ERR_ARGUMENT_INVALID. */
export function workOptionsOf({ io, options }: Call): {
  signal: AbortSignal
  workers: number
  force: boolean
} {
  const workers = parseCount('workers', options.text('workers')) ?? 0
  return { signal: io.signal, workers, force: options.flag('force') }
}

/** The providers of the configuration, without its key store. */
export async function withProvidersAlone<T>(
  call: Call,
  use: (providers: readonly KeyProvider[]) => Promise<T>,
): Promise<T> {
  return withProviders(call, (calls) => use(calls.names.map((name) => calls.get(name))))
}

export interface Ends {
  readonly input: string
  readonly output: string
}

/** Whether the work goes through standard input or output. */
export const isPiped = ({ input, output }: Ends): boolean => input === STANDARD || output === STANDARD

/** Sends input through a stream to output, where at least one of them is standard. Resolves to what was read. */
export async function pipe(
  { io, options }: Call,
  { input, output }: Ends,
  transform: Transform,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const { readChunks, writeChunks } = await import('../data/files/work.ts')
  let bytes = 0
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of input === STANDARD ? io.stdin : readChunks(input)) {
      const part = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
      bytes += part.length
      onBytes(bytes)
      yield part
    }
  }
  await pipeline(source, transform, async (result: AsyncIterable<Uint8Array>) => {
    if (output !== STANDARD) await writeChunks(result, output, { force: options.flag('force') })
    else for await (const chunk of result) await write(io.stdout, chunk)
  })
  return bytes
}
