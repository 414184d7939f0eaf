/** Where records go: standard output, or a file that is whole or not there. */
import { randomBytes } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncDirectory } from '../../files/atomic.ts'
import { type Call, wrongUse } from '../call.ts'
import { cannotWrite, Interrupted } from '../io.ts'

export interface Sink {
  write(text: string): Promise<void>
  /** Makes the result visible. */
  finish(): Promise<void>
  /** Leaves nothing behind. */
  abandon(): Promise<void>
}

/** The target of --out, else standard output. Throws ERR_ARGUMENT_INVALID for a file that exists, unless --force. */
export async function openSink(call: Call): Promise<Sink> {
  const path = call.options.text('out')
  if (path === undefined) {
    return {
      write: (text) => call.output.data(text),
      finish: async () => undefined,
      abandon: async () => undefined,
    }
  }
  const replace = call.options.flag('force')
  const there = await lstat(path).catch(() => undefined)
  if (there !== undefined && !replace) throw exists(path)
  if (there?.isFile() === false) throw wrongUse(`${path} is not a regular file`, 'name a file')
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    return fileSink(call, await open(temporary, 'wx', 0o600), { path, temporary, replace })
  } catch (error) {
    throw failure(path, error)
  }
}

const exists = (path: string) =>
  wrongUse(`there is a file already: ${path}`, 'name another file, or replace it with --force')

const failure = (path: string, error: unknown): Error =>
  (error as NodeJS.ErrnoException).code === 'EEXIST' ? exists(path) : cannotWrite(path, error)

function fileSink(
  call: Call,
  file: FileHandle,
  { path, temporary, replace }: { path: string; temporary: string; replace: boolean },
): Sink {
  const interrupt = call.onInterrupt(() => unlinkSync(temporary))
  const abandon = async (): Promise<void> => {
    interrupt.done()
    await file.close().catch(() => undefined)
    await unlink(temporary).catch(() => undefined)
  }
  return {
    async write(text) {
      await file.writeFile(text).catch((error: unknown) => {
        throw failure(path, error)
      })
    },
    async finish() {
      if (call.io.signal.aborted) throw new Interrupted(call.io.signal.reason)
      try {
        await file.sync()
        await file.close()
        if (replace) await rename(temporary, path)
        else {
          await link(temporary, path) // unlike rename, refuses what came there meanwhile
          await unlink(temporary)
        }
        await syncDirectory(dirname(path))
        interrupt.done()
      } catch (error) {
        await abandon()
        throw failure(path, error)
      }
    },
    abandon,
  }
}
