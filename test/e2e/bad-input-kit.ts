/** Wrong settings, tried on an installation that works: how they are refused, and that nothing came of it. */
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { generate } from 'selfsigned'
import { expect } from 'vitest'
import { BACKENDS, open } from '../../src/compose.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { KeywrightError } from '../../src/errors.ts'
import { freePort } from '../../src/testing/native/process.ts'
import { outputOf } from '../canary/outputs.ts'
import { failureOf } from '../kit/failures.ts'
import { type Result, Workplace } from './cli-kit.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** Whoever has not failed by then has missed every deadline: it counts as a hang. */
const PATIENCE_MS = 9_000

export interface BadInput {
  readonly what: string
  /** Laid over the environment that works; undefined takes a variable away. */
  readonly env: Env
  readonly code: ErrorCode
  /** Settings that message or hint have to name. */
  readonly names: readonly string[]
  /** What the hint has to say. */
  readonly remedy: RegExp
  /** The code that `doctor` finds: it asks for the description first. */
  readonly doctor: ErrorCode
}

/** Makes rows of a table that fail with one code. */
export const failing =
  (code: ErrorCode) =>
  (what: string, env: Env, names: readonly string[], remedy: RegExp, doctor: ErrorCode = code): BadInput => ({
    what,
    env,
    code,
    names,
    remedy,
    doctor,
  })

/** An installation that works, and what its service holds. */
export interface Installation {
  readonly place: Workplace
  readonly env: Env
  /** What of the service has to stay as it is. */
  readonly census: () => unknown
}

/** A new installation on a server, in a folder of its own. */
export async function installOn(env: Env): Promise<Workplace> {
  const place = new Workplace()
  const { code, err } = await place.keywright(['init'], { env })
  if (code !== 0) throw new Error(err)
  return place
}

/** Refused by `open`, by the command line and by `doctor`; nothing told that is secret, nothing changed. */
export async function expectRefused(installation: Installation, bad: BadInput): Promise<void> {
  const { census, place } = installation
  const env = { ...place.env, ...installation.env, ...bad.env }
  const before = [place.fingerprint(), await census()]
  const secrets = secretsIn(env, bad.env)
  checkError(await openError(env), bad, secrets)
  const told = await run(place, env, ['encrypt', '--key-type', 'pii', '--json'])
  checkResult(told, bad, secrets)
  await checkDoctor(await run(place, env, ['doctor', '--json']), bad, secrets)
  expect([place.fingerprint(), await census()]).toEqual(before)
}

function run(place: Workplace, env: Env, argv: readonly string[]): Promise<Result> {
  return place.keywright(argv, { stdin: 'ada@example.com', env, signal: AbortSignal.timeout(PATIENCE_MS) })
}

/** What an application gets that opens Keywright in the installation's folder. */
function openError(environment: Env): Promise<unknown> {
  return failureOf(async () => {
    const keywright = await open({ environment, providerTimeoutMs: PATIENCE_MS, audit: false })
    try {
      await keywright.encrypt('pii', 'ada@example.com')
    } finally {
      await keywright.close()
    }
  })
}

function checkError(error: unknown, { code, names, remedy }: BadInput, secrets: readonly string[]): void {
  if (!(error instanceof KeywrightError)) throw error
  const { hint = '', message } = error
  expect(`${error.code}: ${message}`).toContain(code)
  for (const name of names) expect(`${message} – ${hint}`).toContain(name)
  expect(hint).toMatch(remedy)
  expectWithout(outputOf(error), secrets)
}

function checkResult({ code, err, out }: Result, bad: BadInput, secrets: readonly string[]): void {
  expectWithout(out + err, secrets)
  expect(out).toBe('')
  const [told] = errorsIn(err)
  expect(told).toMatchObject({
    code: bad.code,
    message: expect.any(String),
    hint: expect.stringMatching(bad.remedy),
  })
  expect(code).toBe(new KeywrightError(bad.code, '').exitCode)
}

async function checkDoctor(result: Result, bad: BadInput, secrets: readonly string[]): Promise<void> {
  expectWithout(result.out + result.err, secrets)
  expect(result.code).toBe(1)
  const { checks } = JSON.parse(result.out) as {
    checks: readonly { state: string; code?: string; hint?: string }[]
  }
  const failed = checks.filter(({ state }) => state === 'failed')
  expect(failed.map(({ code }) => code)).toContain(bad.doctor)
  for (const { hint = '' } of failed) expect(hint).not.toBe('')
}

/** The errors among the lines of standard error with --json; each line is JSON, or a library has spoken. */
export function errorsIn(err: string): readonly { code: string; message: string; hint?: string }[] {
  const lines = err.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line)).flatMap(({ error }) => (error === undefined ? [] : [error]))
}

const SECRET = new Set(
  Object.values(BACKENDS).flatMap(({ variables }) =>
    variables.flatMap((one) => (one.secret === true ? one.variables : [])),
  ),
)

/** Names of keys and regions may be shown; what is no name at all may be a secret that was pasted. */
const NAME_LIKE = /^[a-z0-9-]+$/

/** Values of secret variables, passwords within URLs, and the wrong values that are no names. */
function secretsIn(env: Env, wrong: Env): string[] {
  const values = Object.entries(env).flatMap(([name, value]) => {
    if (value === undefined) return []
    const password = /^[a-z]+:\/\/[^/@]*:([^/@]+)@/.exec(value)?.[1]
    const isSecret = SECRET.has(name) || name.startsWith('ENCRYPTION_MASTER_')
    const isWrong = Object.hasOwn(wrong, name) && !NAME_LIKE.test(value) && name !== 'ENCRYPTION_CONFIG'
    return [...(isSecret || isWrong ? [value] : []), ...(password === undefined ? [] : [password])]
  })
  return values.filter((value) => value.length >= 6)
}

function expectWithout(output: string, secrets: readonly string[]): void {
  const shown = secrets.filter((secret) => output.includes(secret))
  expect(shown, 'secrets, or wrong values, that are shown').toEqual([])
}

/** A loopback port that counts who connects, and hangs up. Under the name 0.0.0.0 it is no loopback any more. */
export interface Listener {
  readonly port: number
  /** Connections, or for TLS requests that got through. */
  readonly seen: () => number
  close(): Promise<void>
}

export async function countingListener(): Promise<Listener> {
  let seen = 0
  const server = createServer((socket) => {
    seen++
    socket.on('error', () => undefined).destroy()
  })
  return listenerOf(server, () => seen)
}

/** An HTTPS server whose certificate nobody has signed but itself. */
export async function selfSignedListener(): Promise<Listener> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  })
  let seen = 0
  const server = createHttpsServer({ cert, key }, (_, response) => {
    seen++
    response.end('{}')
  })
  return listenerOf(server, () => seen)
}

async function listenerOf(server: Server, seen: () => number): Promise<Listener> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Where nobody listens. */
export const closedPort = (): Promise<number> => freePort()

/** Nobody connected, or asked for anything: no credential can have left. */
export function expectUntouched({ seen }: Listener): void {
  expect(seen()).toBe(0)
}
