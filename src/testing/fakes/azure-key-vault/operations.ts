/** The operations of the REST API that the fake serves. https://learn.microsoft.com/rest/api/keyvault/keys */
import { badParameter, disabledKey, notPermitted, outsideDates, type Reply } from './answers.ts'
import type { Permission } from './login.ts'
import type { KeyType } from './material.ts'
import type { Attributes, FakeVault, Version } from './vault.ts'

/** A request after its path was read. */
export interface Call {
  readonly name: string
  readonly version: string | undefined
  readonly body: Readonly<Record<string, unknown>>
}

interface Operation {
  readonly name: string
  readonly method: string
  readonly path: RegExp
  readonly permission: Permission
  readonly run: (vault: FakeVault, call: Call) => Promise<Reply> | Reply
}

const NAME = '(?<name>[0-9a-zA-Z-]{1,127})'
const VERSION = '(?<version>[0-9a-f]{32})'
const path = (pattern: string): RegExp => new RegExp(`^${pattern}$`)
const ok = (body: Readonly<Record<string, unknown>>): Reply => ({ status: 200, body })

const getKey = (vault: FakeVault, { name, version }: Call): Reply =>
  ok(vault.bundle(name, vault.find(name, version)))

/** In the order in which they are tried. */
const OPERATIONS: readonly Operation[] = [
  {
    name: 'getRotationPolicy',
    method: 'GET',
    path: path(`/keys/${NAME}/rotationpolicy`),
    permission: 'getrotationpolicy',
    run: (vault, { name }) => ok(vault.policy(name)),
  },
  {
    name: 'getVersions',
    method: 'GET',
    path: path(`/keys/${NAME}/versions`),
    permission: 'list',
    run: (vault, { name }) =>
      ok({ value: vault.versions(name).map((version) => itemOf(vault, name, version)) }),
  },
  // The client writes the latest version as an empty path segment.
  { name: 'getKey', method: 'GET', path: path(`/keys/${NAME}/?`), permission: 'get', run: getKey },
  { name: 'getKey', method: 'GET', path: path(`/keys/${NAME}/${VERSION}`), permission: 'get', run: getKey },
  {
    name: 'createKey',
    method: 'POST',
    path: path(`/keys/${NAME}/create`),
    permission: 'create',
    run: async (vault, { body, name }) => {
      const { key_ops: operations, key_size: bits, kty } = body
      const version = await vault.create(name, {
        type: kty as KeyType,
        ...(bits === undefined ? {} : { bits: Number(bits) }),
        ...(Array.isArray(operations) ? { operations: operations as string[] } : {}),
        attributes: attributesOf(body),
      })
      return ok(vault.bundle(name, version))
    },
  },
  {
    name: 'rotateKey',
    method: 'POST',
    path: path(`/keys/${NAME}/rotate`),
    permission: 'rotate',
    run: async (vault, { name }) => ok(vault.bundle(name, await vault.rotate(name))),
  },
  {
    name: 'updateKey',
    method: 'PATCH',
    path: path(`/keys/${NAME}/${VERSION}`),
    permission: 'update',
    run: (vault, { body, name, version }) =>
      ok(vault.bundle(name, vault.set(name, attributesOf(body), version))),
  },
  {
    name: 'deleteKey',
    method: 'DELETE',
    path: path(`/keys/${NAME}`),
    permission: 'delete',
    run: (vault, { name }) => {
      vault.delete(name)
      return ok(vault.deletedBundle(name))
    },
  },
  {
    name: 'getDeletedKey',
    method: 'GET',
    path: path(`/deletedkeys/${NAME}`),
    permission: 'get',
    run: (vault, { name }) => ok(vault.deletedBundle(name)),
  },
  {
    name: 'purgeDeletedKey',
    method: 'DELETE',
    path: path(`/deletedkeys/${NAME}`),
    permission: 'purge',
    run: (vault, { name }) => {
      vault.purge(name)
      return { status: 204 }
    },
  },
  {
    name: 'recoverDeletedKey',
    method: 'POST',
    path: path(`/deletedkeys/${NAME}/recover`),
    permission: 'recover',
    run: (vault, { name }) => {
      vault.recover(name)
      return ok(vault.bundle(name, vault.find(name)))
    },
  },
  {
    name: 'wrapKey',
    method: 'POST',
    path: path(`/keys/${NAME}/${VERSION}/wrapkey`),
    permission: 'wrapKey',
    run: (vault, call) => crypt(vault, call, 'wrapKey'),
  },
  {
    name: 'unwrapKey',
    method: 'POST',
    path: path(`/keys/${NAME}/${VERSION}/unwrapkey`),
    permission: 'unwrapKey',
    run: (vault, call) => crypt(vault, call, 'unwrapKey'),
  },
]

/** The operation of a request, and what its path names; undefined for what Azure has not, or the fake does not need. */
export function findOperation(
  method: string,
  pathname: string,
):
  | { readonly operation: Operation; readonly name: string; readonly version: string | undefined }
  | undefined {
  for (const operation of OPERATIONS) {
    const found = operation.method === method ? operation.path.exec(pathname) : null
    if (found !== null)
      return { operation, name: found.groups?.['name'] ?? '', version: found.groups?.['version'] }
  }
  return undefined
}

function crypt(vault: FakeVault, { body, name, version }: Call, operation: 'wrapKey' | 'unwrapKey'): Reply {
  const found = vault.find(name, version)
  assertUsable(found, operation)
  const { alg, value } = body
  if (typeof alg !== 'string' || typeof value !== 'string' || !/^[\w-]+$/.test(value)) {
    throw badParameter('The members alg and value (base64url) are required.')
  }
  const bytes = Buffer.from(value, 'base64url')
  const result = operation === 'wrapKey' ? found.material.wrap(alg, bytes) : found.material.unwrap(alg, bytes)
  return ok({ kid: vault.kid(name, found), value: result.toString('base64url') })
}

/** Outside its dates a key still unwraps. */
function assertUsable({ attributes, operations }: Version, operation: 'wrapKey' | 'unwrapKey'): void {
  const { enabled, exp, nbf } = attributes
  const now = Date.now() / 1000
  if (!enabled) throw disabledKey(operation)
  if (operation === 'wrapKey' && exp !== undefined && exp <= now) throw outsideDates(operation, true)
  if (operation === 'wrapKey' && nbf !== undefined && nbf > now) throw outsideDates(operation, false)
  if (!operations.includes(operation)) throw notPermitted(operation)
}

function attributesOf({ attributes }: Call['body']): Attributes {
  const { enabled, exp, nbf } = Object(attributes) as Record<string, unknown>
  return {
    ...(typeof enabled === 'boolean' ? { enabled } : {}),
    ...(typeof exp === 'number' ? { exp } : {}),
    ...(typeof nbf === 'number' ? { nbf } : {}),
  }
}

const itemOf = (vault: FakeVault, name: string, version: Version): Record<string, unknown> => ({
  kid: vault.kid(name, version),
  attributes: { ...version.attributes, created: version.created, updated: version.created },
})
