/** The operations of KMS that a provider and its tests use. */
import {
  ACCOUNT,
  assertServes,
  currentMaterial,
  type FakeKey,
  type FakeKeys,
  isMultiRegion,
  nextRotation,
  primaryOf,
  rotate,
  SYMMETRIC,
  scheduleDeletion,
  seal,
  unseal,
} from './keys.ts'
import { Refusal } from './refusal.ts'
import type { Request } from './request.ts'

/** What an operation gets beside the request. */
export interface Place {
  readonly keys: FakeKeys
  readonly region: string
  /** Grant tokens that are good. */
  readonly grantTokens: ReadonlySet<string>
  /** Replies name key materials, as AWS does and emulators do not. */
  readonly namesMaterials: boolean
}

type Reply = Readonly<Record<string, unknown>>

interface Operation {
  /** What the caller needs, as IAM writes it. */
  readonly actions: readonly string[]
  run(request: Request, place: Place): Reply
}

const MAX_PLAINTEXT = 4096
const MAX_CIPHERTEXT = 6144
const seconds = (date: Date): number => date.getTime() / 1000

const of = (action: string, run: Operation['run']): Operation => ({ actions: [`kms:${action}`], run })

function keyOf(request: Request, { keys, region }: Place, member = 'KeyId'): FakeKey {
  return keys.find(request.text(member), region)
}

/** https://docs.aws.amazon.com/kms/latest/developerguide/using-grant-token.html */
function checkGrants(request: Request, { grantTokens }: Place): void {
  if (request.texts('GrantTokens').every((token) => grantTokens.has(token))) return
  throw new Refusal('InvalidGrantTokenException', '')
}

function checkUsage(key: FakeKey, request: Request, member = 'EncryptionAlgorithm'): void {
  const algorithm = request.maybeText(member) ?? SYMMETRIC
  assertServes(key)
  if (key.shared.usage !== 'ENCRYPT_DECRYPT' || key.shared.spec !== algorithm) {
    throw new Refusal('InvalidKeyUsageException', `${key.arn} is not for ${algorithm}`)
  }
}

function describe(key: FakeKey, { namesMaterials }: Place): Reply {
  const { arn, created, deletionDate, shared, state } = key
  const isSymmetric = shared.spec === SYMMETRIC
  return {
    AWSAccountId: ACCOUNT,
    KeyId: shared.id,
    Arn: arn,
    CreationDate: seconds(created),
    Enabled: state === 'Enabled',
    KeyUsage: shared.usage,
    KeyState: state,
    KeySpec: shared.spec,
    Origin: 'AWS_KMS',
    KeyManager: 'CUSTOMER',
    MultiRegion: isMultiRegion(key),
    ...(isSymmetric && namesMaterials ? { CurrentKeyMaterialId: currentMaterial(key).id } : {}),
    ...(deletionDate === undefined ? {} : { DeletionDate: seconds(deletionDate) }),
    ...(isMultiRegion(key) ? { MultiRegionConfiguration: multiRegion(key) } : {}),
  }
}

function multiRegion(key: FakeKey): Reply {
  const named = (region: string): Reply => ({ Arn: key.arn.replace(key.region, region), Region: region })
  const [primary = '', ...replicas] = key.shared.regions
  return {
    MultiRegionKeyType: key.region === primary ? 'PRIMARY' : 'REPLICA',
    PrimaryKey: named(primary),
    ReplicaKeys: replicas.map(named),
  }
}

const materialOf = ({ namesMaterials }: Place, member: string, id: string): Reply =>
  namesMaterials ? { [member]: id } : {}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html, by name. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  // Encrypt is the one that does not name the key material.
  Encrypt: of('Encrypt', (request, place) => {
    const key = keyOf(request, place)
    const plaintext = request.bytes('Plaintext', MAX_PLAINTEXT)
    checkGrants(request, place)
    checkUsage(key, request)
    const { blob } = seal(key, plaintext, request.map('EncryptionContext'))
    return { CiphertextBlob: blob.toString('base64'), KeyId: key.arn, EncryptionAlgorithm: SYMMETRIC }
  }),
  Decrypt: of('Decrypt', (request, place) => {
    const key = keyOf(request, place) // ours always says which
    const blob = request.bytes('CiphertextBlob', MAX_CIPHERTEXT)
    checkGrants(request, place)
    checkUsage(key, request)
    const opened = unseal(place.keys.all(), key, blob, request.map('EncryptionContext'))
    return {
      Plaintext: opened.plaintext.toString('base64'),
      KeyId: key.arn,
      EncryptionAlgorithm: SYMMETRIC,
      ...materialOf(place, 'KeyMaterialId', opened.materialId),
    }
  }),
  ReEncrypt: {
    actions: ['kms:ReEncryptFrom', 'kms:ReEncryptTo'],
    run(request, place) {
      const source = keyOf(request, place, 'SourceKeyId')
      const key = keyOf(request, place, 'DestinationKeyId')
      const blob = request.bytes('CiphertextBlob', MAX_CIPHERTEXT)
      checkGrants(request, place)
      checkUsage(source, request, 'SourceEncryptionAlgorithm')
      checkUsage(key, request, 'DestinationEncryptionAlgorithm')
      const opened = unseal(place.keys.all(), source, blob, request.map('SourceEncryptionContext'))
      const sealed = seal(key, opened.plaintext, request.map('DestinationEncryptionContext'))
      return {
        CiphertextBlob: sealed.blob.toString('base64'),
        SourceKeyId: source.arn,
        KeyId: key.arn,
        SourceEncryptionAlgorithm: SYMMETRIC,
        DestinationEncryptionAlgorithm: SYMMETRIC,
        ...materialOf(place, 'SourceKeyMaterialId', opened.materialId),
        ...materialOf(place, 'DestinationKeyMaterialId', sealed.materialId),
      }
    },
  },
  DescribeKey: of('DescribeKey', (request, place) => {
    checkGrants(request, place)
    const key = keyOf(request, place)
    if (key.shared.slowRotation) {
      key.shared.slowRotation = false // done in the background: the next look shows it
      const reply = describe(key, place)
      rotate(key)
      return { KeyMetadata: reply }
    }
    return { KeyMetadata: describe(key, place) }
  }),
  CreateKey: of('CreateKey', (request, place) => {
    request.maybeText('Description')
    const key = place.keys.create(place.region, {
      spec: request.maybeText('KeySpec') ?? SYMMETRIC,
      usage: request.maybeText('KeyUsage') ?? 'ENCRYPT_DECRYPT',
      multiRegion: request.flag('MultiRegion'),
    })
    return { KeyMetadata: describe(key, place) }
  }),
  ReplicateKey: of('ReplicateKey', (request, place) => {
    const key = place.keys.replicate(keyOf(request, place), request.text('ReplicaRegion'))
    return { ReplicaKeyMetadata: describe(key, place) }
  }),
  CreateAlias: of('CreateAlias', (request, place) => {
    place.keys.setAlias(request.text('AliasName'), keyOf(request, place, 'TargetKeyId'), true)
    return {}
  }),
  UpdateAlias: of('UpdateAlias', (request, place) => {
    place.keys.setAlias(request.text('AliasName'), keyOf(request, place, 'TargetKeyId'), false)
    return {}
  }),
  EnableKey: of('EnableKey', (request, place) => {
    keyOf(request, place).state = 'Enabled'
    return {}
  }),
  DisableKey: of('DisableKey', (request, place) => {
    keyOf(request, place).state = 'Disabled'
    return {}
  }),
  ScheduleKeyDeletion: of('ScheduleKeyDeletion', (request, place) => {
    const key = keyOf(request, place)
    scheduleDeletion(key, request.number('PendingWindowInDays', 30))
    return { KeyId: key.arn, KeyState: key.state }
  }),
  EnableKeyRotation: of('EnableKeyRotation', (request, place) => {
    keyOf(request, place).shared.rotationDays = request.number('RotationPeriodInDays', 365)
    return {}
  }),
  GetKeyRotationStatus: of('GetKeyRotationStatus', (request, place) => {
    const key = notByAlias(request, place)
    const next = nextRotation(key)
    return {
      KeyId: key.arn,
      KeyRotationEnabled: next !== undefined,
      ...(next === undefined ? {} : { NextRotationDate: seconds(next) }),
    }
  }),
  ListKeyRotations: of('ListKeyRotations', (request, place) => {
    const key = notByAlias(request, place)
    request.maybeText('IncludeKeyMaterial')
    const { materials } = key.shared
    const Rotations = materials.map(({ id, rotatedAt }, index) => ({
      KeyId: key.arn,
      ...materialOf(place, 'KeyMaterialId', id),
      KeyMaterialState: index === materials.length - 1 ? 'CURRENT' : 'NON_CURRENT',
      ...(rotatedAt === undefined ? {} : { RotationDate: seconds(rotatedAt), RotationType: 'ON_DEMAND' }),
    }))
    return { Rotations, Truncated: false }
  }),
  RotateKeyOnDemand: of('RotateKeyOnDemand', (request, place) => {
    const key = notByAlias(request, place)
    if (key.shared.spec !== SYMMETRIC) throw new Refusal('UnsupportedOperationException', '')
    assertServes(key)
    if (isMultiRegion(key) && primaryOf(key) !== key.region) {
      throw new Refusal('UnsupportedOperationException', 'You cannot rotate a replica key.')
    }
    key.shared.slowRotation = true
    return { KeyId: key.arn }
  }),
}

/** The operations on rotation take a key id or a key ARN only. */
function notByAlias(request: Request, place: Place): FakeKey {
  const name = request.text('KeyId')
  if (name.includes('alias/')) throw new Refusal('InvalidArnException', `Invalid keyId ${name}`)
  return place.keys.find(name, place.region)
}
