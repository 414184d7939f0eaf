/** docker-compose.yml, its environment file and the emulator kit speak of the same servers. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { BACKENDS } from '../../providers/index.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { IMAGES } from '../../src/testing/containers/images.ts'

const compose = readFileSync('docker-compose.yml', 'utf8')
const example = readFileSync('.env.example', 'utf8')
/** A service with the lines below it. */
const services = compose.split(/^ {2}(?=[a-z-]+:$)/m).slice(1)
const named = (pattern: RegExp, text = compose): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? '')

it('has the images of the kit, and no others', () => {
  const images = Object.values(IMAGES).map(({ image }) => image)
  expect([...new Set(named(/^ +image: (\S+)$/gm))].sort()).toEqual([...images].sort())
  for (const image of images) expect(image).toMatch(/:[^:]*\d/) // pinned by a version
})

it('opens ports on the loopback interface only', () => {
  const ports = named(/^ +- (\S+:\d+)$/gm)
  expect(ports.length).toBeGreaterThanOrEqual(6)
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
})

it('has a health check for every server', () => {
  const servers = services.filter((service) => service.includes('ports:'))
  expect(servers).toHaveLength(Object.keys(IMAGES).length)
  for (const server of servers) expect(server).toContain('healthcheck:')
})

it('comes with an environment of variables that exist and secrets that are its own', () => {
  const known = new Set([
    ...Object.keys(VARIABLES),
    ...Object.values(BACKENDS).flatMap(({ variables }) => variables.flatMap((row) => row.variables)),
  ])
  const used = named(/^(?:# )?([A-Z][A-Z_]+)=/gm, example)
  expect(used.filter((name) => !known.has(name))).toEqual([])
  for (const { environmentName } of Object.values(BACKENDS))
    if (environmentName !== 'memory') expect(example).toContain(environmentName)
  for (const secret of ['keywright-dev']) expect(compose).toContain(secret)
  expect(named(/^(?:# )?ENCRYPTION_MASTER_KEY=(.*)$/gm, example)).toEqual([''])
})

it('has the keys that its environment names made by the hook of LocalStack', () => {
  const hook = readFileSync('localstack/ready.d/10-keys.sh', 'utf8')
  expect(compose).toContain('./localstack/ready.d:/etc/localstack/init/ready.d:ro')
  for (const alias of named(/ENCRYPTION_KEY_ID=(alias\/\S+)/g, example)) expect(hook).toContain(alias)
})
