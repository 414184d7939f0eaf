/**
 * Writes the tree of a backup into an empty folder. Links are made last, when nothing is written any more, so that no
 * file is ever written through one; what is there already is never opened.
 */
import { chmod, type FileHandle, lchown, lutimes, mkdir, open, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../../files/atomic.ts'
import { assertGoing, damaged, fileFailure, orFail, systemCode } from './failures.ts'
import type { NodeFacts, TreeVisitor } from './tree-reader.ts'

const SET_ID_BITS = 0o7000

interface Late {
  readonly path: string
  readonly facts: NodeFacts
}

export class TreeWriter implements TreeVisitor {
  readonly #root: string
  readonly #signal: AbortSignal | undefined
  readonly #folders: Late[] = []
  readonly #links: (Late & { readonly target: string })[] = []

  /** `root` is an empty folder. */
  constructor(root: string, signal: AbortSignal | undefined) {
    this.#root = root
    this.#signal = signal
  }

  async folder(name: string, facts: NodeFacts): Promise<void> {
    assertGoing(this.#signal)
    const path = join(this.#root, name)
    if (name !== '') await orRefuse(mkdir(path, { mode: 0o700 }))
    this.#folders.push({ path, facts })
  }

  async file(name: string, facts: NodeFacts, content: AsyncIterable<Uint8Array>): Promise<void> {
    const file = await orRefuse(open(join(this.#root, name), 'wx', 0o600))
    try {
      for await (const chunk of content) {
        assertGoing(this.#signal)
        await orFail('write a file', file.writeFile(chunk))
      }
      await finishFile(file, facts)
    } finally {
      await file.close()
    }
  }

  async link(name: string, facts: NodeFacts, target: string): Promise<void> {
    this.#links.push({ path: join(this.#root, name), facts, target })
  }

  /** Links, then modes and times of folders, the deepest first: a folder may be one that nobody can write into. */
  async finish(): Promise<void> {
    for (const { path, target, facts } of this.#links) {
      await orRefuse(symlink(target, path))
      await owned(lchown(path, facts.uid, facts.gid))
      await lutimes(path, facts.mtime, facts.mtime)
    }
    for (const { path, facts } of this.#folders.reverse()) {
      await syncDirectory(path)
      const isOurs = await owned(chownFolder(path, facts))
      await orFail('set the mode of a folder', chmod(path, modeFor(facts, isOurs)))
      await utimes(path, facts.mtime, facts.mtime)
    }
  }
}

const chownFolder = async (path: string, { uid, gid }: NodeFacts): Promise<void> => lchown(path, uid, gid)

/** Owner, mode and time of a file that is written, then what makes it durable. */
async function finishFile(file: FileHandle, facts: NodeFacts): Promise<void> {
  const isOurs = await owned(file.chown(facts.uid, facts.gid))
  await orFail('set the mode of a file', file.chmod(modeFor(facts, isOurs)))
  await file.utimes(facts.mtime, facts.mtime)
  await orFail('write a file', file.sync())
}

/** Only root may give files away; for others they stay their own. */
async function owned(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    () => false,
  )
}

/** A program that runs as its owner must not begin to run as another one. */
const modeFor = ({ mode }: NodeFacts, isOurs: boolean): number => (isOurs ? mode : mode & ~SET_ID_BITS)

/** A name that comes twice, or lies in a folder that is not there, is none that a backup has. */
async function orRefuse<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw damaged('its archive has a name twice')
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) throw damaged('its archive lacks a folder')
    throw fileFailure('write into the folder', error)
  }
}
