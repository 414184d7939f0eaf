/** The gRPC server and the definition of KeyManagementService, both out of @google-cloud/kms. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Reply, Request } from './operations.ts'

const SERVICE = 'google.cloud.kms.v1.KeyManagementService'

/** The part of a call of @grpc/grpc-js that is used. */
export interface ServerCall {
  readonly request: Request
  readonly metadata: { get(key: string): readonly (string | Buffer)[] }
}
export type Answer = (error: { code: number; details: string } | null, reply?: Reply) => void
export type Handler = (call: ServerCall, answer: Answer) => void

interface GrpcServer {
  addService(definition: object, handlers: Readonly<Record<string, Handler>>): void
  bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void
  forceShutdown(): void
}

interface Grpc {
  readonly Server: new () => GrpcServer
  readonly ServerCredentials: {
    createInsecure(): object
    createSsl(roots: null, pairs: { private_key: Buffer; cert_chain: Buffer }[]): object
  }
}

interface ProtoLoader {
  fromJSON(json: object, options: object): Readonly<Record<string, object>>
}

export interface TlsPair {
  readonly key: string
  readonly cert: string
}

/** Whether @google-cloud/kms is installed. */
export function isInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve('@google-cloud/kms')
    return true
  } catch {
    return false
  }
}

/** Starts a server on a loopback port that only the front uses. */
export async function startGrpc(
  handlers: Readonly<Record<string, Handler>>,
  tls: TlsPair | undefined,
): Promise<{ port: number; stop(): void }> {
  const kms = createRequire(import.meta.url).resolve('@google-cloud/kms')
  const gaxPath = createRequire(kms).resolve('google-gax')
  const ofGax = createRequire(gaxPath)
  const { Server, ServerCredentials } = ofGax('@grpc/grpc-js') as Grpc
  const loader = ofGax('@grpc/proto-loader') as ProtoLoader
  const protos = createRequire(kms)(join(dirname(kms), '../protos/protos.json')) as object
  // Without defaults what was not sent stays visible.
  const definition = loader.fromJSON(protos, { defaults: false, enums: String, longs: Number })[SERVICE]
  const server = new Server()
  server.addService(definition ?? {}, handlers)
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
        ])
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return { port, stop: () => server.forceShutdown() }
}
