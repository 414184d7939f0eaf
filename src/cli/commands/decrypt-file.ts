/** `decrypt-file`. */
import { formatSize } from '../../policy/size.ts'
import { ByteProgress } from '../byte-progress.ts'
import { type Call, wrongUse } from '../call.ts'
import {
  type Ends,
  isPiped,
  openOptionsOf,
  pipe,
  STANDARD,
  SUFFIX,
  withProvidersAlone,
  workOptionsOf,
} from '../file-call.ts'
import { withKeywright } from '../opened.ts'

export async function decryptFileCommand(call: Call): Promise<undefined> {
  const ends = endsOf(call)
  const progress = new ByteProgress(call.output)
  if (isPiped(ends)) await decryptStream(call, ends, progress)
  else await decryptFile(call, ends, progress)
}

async function decryptFile(call: Call, ends: Ends, progress: ByteProgress): Promise<void> {
  const { output } = call
  const options = { ...openOptionsOf(call), ...workOptionsOf(call), onProgress: progress.tick }
  const work = call.options.flag('withoutStore')
    ? withProvidersAlone(call, async (provider) => {
        const { recoverFile } = await import('../../data/files/recover.ts')
        return recoverFile(ends.input, ends.output, { ...options, provider })
      })
    : withKeywright(call, ({ files }) => files.decryptFile(ends.input, ends.output, options))
  const made = await call.orderly(work)
  await output.status('')
  const text = `${ends.output}: ${formatSize(made.plaintextBytes)} under key ${made.keyId} (${made.keyring})`
  await output.result({ ...ends, ...made }, `${text}, ${progress.summary(made.encryptedBytes)}\n`)
}

/** To standard output goes what is authenticated; that nothing is missing, only the exit code says. */
async function decryptStream(call: Call, ends: Ends, progress: ByteProgress): Promise<void> {
  const options = { ...openOptionsOf(call), signal: call.io.signal }
  const onBytes = (bytes: number): void => progress.tick({ bytes })
  const work = call.options.flag('withoutStore')
    ? withProvidersAlone(call, async (provider) => {
        const { recoverStream } = await import('../../data/files/recover.ts')
        return pipe(call, ends, recoverStream({ ...options, provider }), onBytes)
      })
    : withKeywright(call, async ({ files }) => pipe(call, ends, await files.decryptStream(options), onBytes))
  const bytes = await call.orderly(work)
  await call.output.status('')
  await call.output.note(`decrypted ${formatSize(bytes)} in ${progress.summary(bytes)}`)
}

function endsOf({ args }: Call): Ends {
  const [input = '', output] = args
  if (output !== undefined) return { input, output }
  if (input === STANDARD) return { input, output: STANDARD }
  if (input.endsWith(SUFFIX) && input.length > SUFFIX.length)
    return { input, output: input.slice(0, -SUFFIX.length) }
  throw wrongUse(
    'nothing says where the result goes',
    `name it, or "-"; it follows only from a name in ${SUFFIX}`,
  )
}
