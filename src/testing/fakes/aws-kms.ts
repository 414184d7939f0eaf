/**
 * A server that speaks the protocol of AWS KMS with the official client: real sockets, real signatures, real
 * cryptography, the documented errors. It shows what emulators do not: materials named in replies, permissions,
 * credentials that end, throttling, and answers that are wrong.
 *
 * It is built from https://docs.aws.amazon.com/kms/latest/APIReference/ and knows no more than that.
 */
import type { Emulator, EmulatorOptions, LocalServer } from '../emulator.ts'
import { kmsEmulator } from '../native/kms-emulator.ts'
import { FakeKeys } from './aws-kms/keys.ts'
import { close, listen, type Parts, type SeenCall } from './aws-kms/server.ts'
import { Identities } from './aws-kms/signature.ts'
import { Faults } from './faults.ts'

const TITLE = 'wire fake of AWS KMS'
const ADMINISTRATOR = {
  accessKeyId: 'AKIAKEYWRIGHTFAKE000',
  secretAccessKey: 'Qv4-of-the-administrator-of-the-fake',
}

export interface AwsKmsFakeOptions extends EmulatorOptions {
  /** The keys of another fake: two servers over one of these are two endpoints of one KMS. */
  readonly keys?: FakeKeys
}

/** An emulator whose inside tests can reach. */
export interface AwsKmsFake extends Emulator {
  /** How the next calls go wrong. Operations: Encrypt, Decrypt, ReEncrypt, DescribeKey, RotateKeyOnDemand … */
  readonly faults: Faults
  readonly keys: FakeKeys
  /** Who may call: access keys and temporary credentials. */
  readonly identities: Identities
  /** Calls with a good signature, in order. */
  readonly calls: readonly SeenCall[]
  /** Grant tokens that are accepted. */
  readonly grantTokens: Set<string>
  /** An identity that may do everything. */
  readonly administrator: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Where a container of AWS would get its credentials from. */
  readonly credentialsUrl: string
  /** Whether replies name key materials, as AWS does. @default true */
  nameMaterials(isNamed: boolean): void
}

/** Starts the fake, with a first master key in us-east-1. Every region is served. */
export async function startAwsKmsFake(options: AwsKmsFakeOptions = {}): Promise<AwsKmsFake> {
  const parts: Parts = {
    keys: options.keys ?? new FakeKeys(),
    identities: new Identities(),
    faults: new Faults(),
    calls: [],
    grantTokens: new Set(),
    namesMaterials: true,
  }
  parts.identities.add(ADMINISTRATOR.accessKeyId, ADMINISTRATOR)
  const { origin, server } = await listen(parts)
  const emulator = await kmsEmulator({
    kind: 'fake',
    server: TITLE,
    endpoint: origin,
    credentials: ADMINISTRATOR,
    stop: () => close(server),
  })
  const { calls, faults, grantTokens, identities, keys } = parts
  calls.length = 0
  return {
    ...emulator,
    administrator: ADMINISTRATOR,
    calls,
    credentialsUrl: `${origin}/credentials`,
    faults,
    grantTokens,
    identities,
    keys,
    nameMaterials(isNamed) {
      parts.namesMaterials = isNamed
    },
  }
}

/** The fake as one of the servers that need no Docker. */
export const awsKmsFake: LocalServer = {
  name: 'aws-kms',
  kind: 'fake',
  server: TITLE,
  install: async () => undefined,
  start: startAwsKmsFake,
}
