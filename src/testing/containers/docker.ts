/**
 * Whether Docker can be used, asked at its socket with a limit of time: a socket that hangs would block every library
 * that talks to it for ever.
 */
import { type RequestOptions, request } from 'node:http'

const LIMIT_MS = 2000
const DEFAULT_SOCKET = '/var/run/docker.sock'

/** 'ready': the image is there. 'no-image': Docker is, the image has to be pulled. */
export type DockerState = 'ready' | 'no-image' | 'no-docker' | 'no-answer' | 'not-allowed'

/** What Docker says about an image. Never rejects. */
export async function askDocker(image: string): Promise<DockerState> {
  const target = dockerAddress()
  if (target === undefined) return 'no-docker'
  return new Promise((resolve) => {
    const call = request({
      ...target,
      path: `/images/${encodeURIComponent(image)}/json`,
      signal: AbortSignal.timeout(LIMIT_MS),
    })
    call.once('response', (response) => {
      response.resume()
      if (response.statusCode === 200) resolve('ready')
      else resolve(response.statusCode === 404 ? 'no-image' : 'no-answer')
    })
    call.once('error', (error: NodeJS.ErrnoException) => {
      if (error.name === 'AbortError' || error.name === 'TimeoutError') resolve('no-answer')
      else resolve(error.code === 'EACCES' || error.code === 'EPERM' ? 'not-allowed' : 'no-docker')
    })
    call.end()
  })
}

/** DOCKER_HOST, else the usual socket. Undefined for a scheme that only Docker's own client speaks (ssh, npipe). */
function dockerAddress(): RequestOptions | undefined {
  const host = process.env['DOCKER_HOST']
  if (!host) return { socketPath: DEFAULT_SOCKET }
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) }
  if (!URL.canParse(host)) return undefined
  const { protocol, hostname, port } = new URL(host)
  return protocol === 'tcp:' ? { host: hostname, port: Number(port || 2375) } : undefined
}

/** For people: why there is no container, and what would change it. */
export function describeDocker(state: DockerState, image: string): { reason: string; remedy: string } {
  switch (state) {
    case 'no-docker':
      return { reason: 'there is no Docker', remedy: 'install Docker and start it, or set DOCKER_HOST' }
    case 'no-answer':
      return {
        reason: 'Docker does not answer at its socket',
        remedy: 'restart Docker, or correct DOCKER_HOST',
      }
    case 'not-allowed':
      return {
        reason: 'this user may not use the socket of Docker',
        remedy: 'add the user to the group docker, or set DOCKER_HOST to a rootless one',
      }
    default:
      return { reason: `Docker does not have the image ${image}`, remedy: `docker pull ${image}` }
  }
}
