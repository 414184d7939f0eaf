/** `encrypt-file`. */
import { formatSize } from '../../policy/size.ts'
import { ByteProgress } from '../byte-progress.ts'
import { type Call, wrongUse } from '../call.ts'
import { type Ends, isPiped, pipe, STANDARD, SUFFIX, sealOptionsOf, workOptionsOf } from '../file-call.ts'
import { withKeywright } from '../opened.ts'

export async function encryptFileCommand(call: Call): Promise<undefined> {
  const ends = endsOf(call)
  const seal = sealOptionsOf(call)
  const work = workOptionsOf(call)
  const { output } = call
  const progress = new ByteProgress(output)
  await withKeywright(call, async ({ files }) => {
    if (isPiped(ends)) {
      const stream = await files.encryptStream({ ...seal, signal: work.signal })
      const onBytes = (bytes: number): void => progress.tick({ bytes })
      const bytes = await call.orderly(pipe(call, ends, stream, onBytes))
      await output.status('')
      if (bytes === 0)
        await output.warn('the input is empty', 'if it came through a pipe: did the program before fail?')
      return output.note(`encrypted ${formatSize(bytes)} in ${progress.summary(bytes)}`)
    }
    const options = { ...seal, ...work, onProgress: progress.tick }
    const made = await call.orderly(files.encryptFile(ends.input, ends.output, options))
    await output.status('')
    const text = `${ends.output}: ${formatSize(made.plaintextBytes)} under key ${made.keyId} (${made.keyring})`
    await output.result({ ...ends, ...made }, `${text}, ${progress.summary(made.plaintextBytes)}\n`)
  })
}

function endsOf({ args, io }: Call): Ends {
  const [input = '', named] = args
  const output = named ?? (input === STANDARD ? STANDARD : `${input}${SUFFIX}`)
  if (output === STANDARD && io.stdout.isTTY === true) {
    throw wrongUse('the result is binary, and standard output is the terminal', 'name a file, or pipe it on')
  }
  return { input, output }
}
