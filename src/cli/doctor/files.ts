/** Modes of the files that hold keys and records. */
import { stat } from 'node:fs/promises'
import { platform } from 'node:os'
import { dirname } from 'node:path'
import { type Finding, failed, ok, warning } from './finding.ts'

const OTHERS = 0o077
const OTHERS_WRITE = 0o022

/** Whether nobody else may read `path` or replace it. `secret`: it holds a key in clear. */
export async function checkFileMode(name: string, path: string, secret: boolean): Promise<Finding> {
  try {
    const [file, folder] = [await stat(path), await stat(dirname(path))]
    const shown = `${path}, mode ${octal(file.mode)}`
    if (platform() === 'win32') return ok(name, path)
    if ((file.mode & OTHERS) !== 0) {
      return (secret ? failed : warning)(name, `${shown}: other users may open it`, `chmod 600 ${path}`)
    }
    // The sticky bit keeps others from replacing what is not theirs.
    if ((folder.mode & OTHERS_WRITE) !== 0 && (folder.mode & 0o1000) === 0) {
      return warning(name, `${shown}, but other users may write its folder`, `chmod 700 ${dirname(path)}`)
    }
    return ok(name, shown)
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    return failed(name, `cannot look at ${path} (${code})`, 'check the path, and that this user may read it')
  }
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0')
