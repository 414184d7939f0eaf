/**
 * A Docker engine of the tests' own, from Debian's packages, with one image made of this machine's Redis. So the
 * container path is tried for real where no image can be pulled.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { debianPackages, findProgram } from '../../src/testing/native/debian.ts'
import { type ServerProcess, scratchFolder, startServer } from '../../src/testing/native/process.ts'

const run = promisify(execFile)

export interface DockerEngine {
  /** As DOCKER_HOST takes it. */
  readonly host: string
  /** Images it has, besides the one it was started with. */
  docker(...args: string[]): Promise<string>
  stop(): Promise<void>
}

/** Why there can be no engine here; undefined when there can. */
export async function lacksDocker(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a Docker engine is started on Linux only'
  if (process.getuid?.() !== 0) return 'only root can start a Docker engine'
  const wanted = [
    await debianPackages(['docker.io'], () => findProgram('dockerd')),
    await debianPackages(['redis-server'], () => findProgram('redis-server')),
    await debianPackages(['busybox-static'], () => findProgram('busybox', ['/bin'])),
  ]
  return wanted.find((missing) => missing !== undefined)?.reason
}

/** Starts it with the image `name`. */
export async function startDocker(name: string): Promise<DockerEngine> {
  const scratch = await scratchFolder('docker')
  const socket = join(scratch.path, 'docker.sock')
  const host = `unix://${socket}`
  const docker = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(findProgram('docker') ?? 'docker', ['-H', host, ...args])
    return stdout.trim()
  }
  let engine: ServerProcess | undefined
  const stop = async (): Promise<void> => {
    await engine?.stop()
    await scratch.remove()
  }
  try {
    engine = await startServer({
      title: 'Docker',
      command: findProgram('dockerd') ?? 'dockerd',
      args: [
        ...['--data-root', join(scratch.path, 'data'), '--exec-root', join(scratch.path, 'exec')],
        ...['-p', join(scratch.path, 'pid'), '-H', host],
      ],
      ready: async () => (await docker('version', '--format', '{{.Server.Version}}')) !== '',
    })
    const archive = await redisImage(scratch.path)
    await docker('import', archive, name)
    return { host, docker, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** redis-server, the libraries it loads and a shell, as a tar file. */
async function redisImage(folder: string): Promise<string> {
  const root = join(folder, 'image')
  const program = findProgram('redis-server') ?? ''
  const { stdout } = await run('ldd', [program])
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '')
  for (const path of [program, ...libraries]) {
    await mkdir(join(root, dirname(path)), { recursive: true })
    await cp(path, join(root, path), { dereference: true })
  }
  await mkdir(join(root, 'bin'), { recursive: true })
  await cp(findProgram('busybox', ['/bin']) ?? '', join(root, 'bin/busybox'))
  await symlink('busybox', join(root, 'bin/sh'))
  for (const one of ['tmp', 'etc', 'data']) await mkdir(join(root, one), { recursive: true })
  const archive = join(folder, 'image.tar')
  await run('tar', ['-C', root, '-cf', archive, '.'])
  await rm(root, { recursive: true })
  return archive
}
