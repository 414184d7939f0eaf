/** What the tests of the AWS KMS provider share: providers on an emulator, an administrator, ways to it that fail. */

import { randomBytes } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { KMS } from '@aws-sdk/client-kms'
import { expect } from 'vitest'
import awsKms, { type AwsKmsOptions } from '../../../providers/aws-kms.ts'
import { KeywrightError } from '../../../src/errors.ts'
import type { KeyProvider } from '../../../src/provider.ts'
import type { Emulator } from '../../../src/testing/emulator.ts'
import { freePort } from '../../../src/testing/native/process.ts'
import { expectNoSecret, failureOf, type ProviderHarness, wrapContext } from '../../conformance/provider.ts'

export const context = wrapContext()
export const REGION = 'us-east-1'
export const newKey = (bytes = 64): Uint8Array => Uint8Array.from(randomBytes(bytes))

/** A way to a server that can be closed, and can swallow everything. */
export interface Way {
  readonly origin: string
  /** Takes connections and never answers. */
  hang(isHanging: boolean): void
  /** Refuses connections, or takes them again. */
  close(): Promise<void>
  open(): Promise<void>
}

/** A TCP proxy to `origin` on a port of its own; open when it is handed out. */
export async function wayTo(origin: string, port?: number): Promise<Way> {
  const target = new URL(origin)
  const sockets = new Set<Socket>()
  let isHanging = false
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const at = port ?? (await freePort())
  const make = () =>
    createServer((incoming) => {
      keep(incoming)
      if (isHanging) return void incoming.resume()
      const host = target.hostname.replace(/^\[|\]$/g, '')
      const outgoing = keep(connect(Number(target.port), host))
      incoming.pipe(outgoing).pipe(incoming)
    })
  let server: ReturnType<typeof make> | undefined
  const way: Way = {
    origin: `http://127.0.0.1:${at}`,
    hang(value) {
      isHanging = value
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      const closing = server
      server = undefined
      if (closing === undefined) return
      const closed = new Promise((resolve) => closing.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async open() {
      if (server !== undefined) return
      const opening = make()
      server = opening
      await new Promise<void>((resolve) => opening.listen(at, '127.0.0.1', resolve))
    },
  }
  await way.open()
  return way
}

/** An emulator in use: an administrator's client, and providers as they are configured for it. */
export class Bench {
  readonly emulator: Emulator
  readonly admin: KMS
  readonly #ways: Way[] = []
  /** The ARN of the first provider's key that the harness opened last. */
  current = ''

  constructor(emulator: Emulator) {
    this.emulator = emulator
    this.admin = this.adminOf(REGION)
  }

  adminOf(region: string): KMS {
    const { credentials, endpoint } = this.options('')
    return new KMS({ endpoint, region, credentials, maxAttempts: 3 })
  }

  get secret(): string {
    return this.emulator.env['ENCRYPTION_AWS_SECRET_ACCESS_KEY'] ?? ''
  }

  options(keyId: string) {
    const { endpoint, env } = this.emulator
    const accessKeyId = env['ENCRYPTION_AWS_ACCESS_KEY_ID'] ?? ''
    return { keyId, region: REGION, endpoint, credentials: { accessKeyId, secretAccessKey: this.secret } }
  }

  provider(keyId: string, more: Partial<AwsKmsOptions> = {}): KeyProvider {
    return awsKms({ ...this.options(keyId), ...more })
  }

  async newKeyId(request: Parameters<KMS['createKey']>[0] = {}): Promise<string> {
    return (await this.admin.createKey(request)).KeyMetadata?.Arn ?? ''
  }

  async way(port?: number): Promise<Way> {
    const way = await wayTo(this.emulator.endpoint, port)
    this.#ways.push(way)
    return way
  }

  async stop(): Promise<void> {
    for (const way of this.#ways) await way.close()
    this.admin.destroy()
    await this.emulator.stop()
  }
}

/** What every server allows; a server adds to it or skips. */
export function harnessOf(bench: () => Bench): ProviderHarness {
  const newProvider = async (): Promise<[KeyProvider, string]> => {
    const keyId = await bench().newKeyId()
    return [bench().provider(keyId), keyId]
  }
  return {
    async open() {
      const [[first, keyId], [second]] = [await newProvider(), await newProvider()]
      bench().current = keyId
      return [first, second]
    },
    reopen: async () => bench().provider(bench().current),
    async openBroken() {
      const port = await freePort()
      const provider = bench().provider(await bench().newKeyId(), { endpoint: `http://127.0.0.1:${port}` })
      return { provider, repair: async () => void (await bench().way(port)) }
    },
    disable: async () => void (await bench().admin.disableKey({ KeyId: bench().current })),
    enable: async () => void (await bench().admin.enableKey({ KeyId: bench().current })),
    delete: async () =>
      void (await bench().admin.scheduleKeyDeletion({ KeyId: bench().current, PendingWindowInDays: 7 })),
    openUnknown: async () => bench().provider('00000000-1111-4222-8333-444444444444'),
    openUnreachable: async () =>
      bench().provider(bench().current, { endpoint: `http://127.0.0.1:${await freePort()}` }),
    async openHanging() {
      const way = await bench().way()
      way.hang(true)
      return bench().provider(bench().current, { endpoint: way.origin })
    },
    secrets: () => [bench().secret],
  }
}

/** The error of a call that has to fail with `code`; its hint has `naming`, and nothing in it is a secret. */
export async function refusedWith(
  code: string,
  call: () => Promise<unknown>,
  { naming = '', secrets = [] }: { naming?: string; secrets?: readonly (string | Uint8Array)[] } = {},
): Promise<KeywrightError> {
  const error = await failureOf(call)
  if (!(error instanceof KeywrightError)) throw error
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `))
  expect(error.hint ?? '').toContain(naming)
  expectNoSecret(error, secrets)
  return error
}

/** `arn:aws:kms:REGION:ACCOUNT:key/ID` → `ID` */
export const idOf = (arn: string): string => arn.replace(/^.*\//, '')
