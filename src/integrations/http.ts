/**
 * The bodies that `encryptResponse` sends and `decryptRequest` takes, for clients and other servers that have the keys:
 * with fetch, or whatever else sends bytes.
 */
import type { RecordField } from '../data/records.ts'
import { Bodies, type EncryptedBody, type PlainBody } from './shared/http/bodies.ts'
import type { KeywrightSource } from './shared/source.ts'

export interface HttpBodyOptions {
  /** What these bodies are; the other side gives the same. */
  readonly name: string
  /** Required for whole bodies. */
  readonly keyType?: string
  /** The places of a JSON body. @default the whole body */
  readonly paths?: readonly string[] | Readonly<Record<string, string | RecordField>>
  readonly tenant?: string
  readonly row?: string
}

export interface HttpBodies {
  /** Encrypts a whole body: bytes with their content type, anything else as JSON. */
  encrypt(value: unknown, contentType?: string): Promise<EncryptedBody>
  /** Decrypts a whole body. `contentType` is its header. */
  decrypt(body: Uint8Array, contentType: string | null | undefined): Promise<PlainBody>
  /** Encrypts the named places of a JSON value. */
  encryptPaths<T>(value: T): Promise<T>
  /** The reverse. */
  decryptPaths<T>(value: T): Promise<T>
}

/**
 * Both directions of one kind of body. Throws ERR_ARGUMENT_INVALID for options that do not go together, and what
 * encryption and decryption throw.
 */
export function httpBodies(source: KeywrightSource, options: HttpBodyOptions): HttpBodies {
  const { tenant, row, ...rest } = options
  const bodies = new Bodies<undefined>(source, {
    ...rest,
    ...(tenant === undefined ? {} : { tenant: () => tenant }),
    ...(row === undefined ? {} : { row: () => row }),
  })
  return {
    encrypt(value, contentType) {
      const isBytes = value instanceof Uint8Array
      const plain = isBytes ? value : Buffer.from(JSON.stringify(value))
      return bodies.encryptWhole(plain, contentType ?? (isBytes ? undefined : 'application/json'), undefined)
    },
    decrypt: (body, contentType) => bodies.decryptWhole(body, contentType ?? undefined, undefined),
    encryptPaths: async <T>(value: T) => (await bodies.encryptJson(value, undefined)) as T,
    decryptPaths: async <T>(value: T) => (await bodies.decryptJson(value, undefined)) as T,
  }
}

export type { EncryptedBody, KeywrightSource, PlainBody }
