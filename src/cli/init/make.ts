/** Makes what is missing, each thing announced in the audit log first. Stopped anywhere, `init` goes on next time. */
import { mkdir, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileAuditSink } from '../../audit/file-sink.ts'
import { AuditLog, type AuditTrail, noAudit } from '../../audit/log.ts'
import { type Configuration, openProviders, openStore } from '../../compose.ts'
import { auditFile } from '../../config/audit-place.ts'
import { shownStoreUrl } from '../../config/store-url.ts'
import { KeywrightError } from '../../errors.ts'
import { replaceFile } from '../../files/atomic.ts'
import { ProviderCalls } from '../../keys/provider-calls.ts'
import type { Call } from '../call.ts'
import { cannotWrite } from '../io.ts'
import { actor, clockOf } from '../opened.ts'
import type { RootChoice } from './root-secret.ts'
import { masterName, type Survey } from './survey.ts'

export interface Thing {
  readonly what: string
  readonly path: string
}

export interface Made {
  readonly configuration: Configuration
  readonly made: readonly Thing[]
  readonly kept: readonly Thing[]
}

export async function make(call: Call, found: Survey, root: RootChoice): Promise<Made> {
  const { configuration, document, documentPath, master, provider, store } = found
  const made: Thing[] = []
  const kept: Thing[] = []
  const audit = auditOf(call, configuration)
  try {
    const masterThing = { what: 'master key', path: masterName(provider) }
    if (master === 'missing') {
      if (root.kind === 'file') made.push({ what: 'root key', path: root.path })
      await makeMaster(call, found, root, audit)
      made.push(masterThing)
    } else kept.push(masterThing)
    const storeThing = { what: 'key store', path: shownStoreUrl(configuration.storeUrl.value) }
    if (store === 'missing') await makeStore(configuration, audit)
    ;(store === 'missing' ? made : kept).push(storeThing)
    const documentThing = { what: 'policy document', path: documentPath }
    if (document === 'missing') await makeDocument(found, audit)
    ;(document === 'missing' ? made : kept).push(documentThing)
  } finally {
    await audit.close()
  }
  return { configuration, made, kept }
}

function auditOf(call: Call, { audit }: Configuration): AuditTrail {
  const path = auditFile(audit.value) // a log inside the store begins with the store
  if (path === undefined) return noAudit
  return new AuditLog({ sink: fileAuditSink({ path }), clock: clockOf(call), actor: actor() })
}

async function makeMaster(call: Call, found: Survey, root: RootChoice, audit: AuditTrail): Promise<void> {
  const { configuration, provider } = found
  if (root.kind === 'file') await makeRootKey(root.path, root.key)
  try {
    const sealed = root.kind !== 'unsealed'
    await audit.append({ event: 'master.create', details: { provider: provider.name, sealed } })
    const providers = await openProviders(configuration, true)
    const calls = new ProviderCalls({ providers, now: call.io.now })
    await calls.describe(provider.name).finally(() => calls.close())
  } catch (error) {
    // The key file was not made, so nothing needs the root key.
    if (root.kind === 'file') await unlink(root.path).catch(() => undefined)
    throw error
  }
}

async function makeRootKey(path: string, key: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await replaceFile(path, `${key}\n`, { mode: 0o600, exclusive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(path, error)
    throw new KeywrightError('ERR_KEY_FILE_EXISTS', `there is a file already: ${path}`, {
      hint: `nothing was changed; to use the root key in it: export ENCRYPTION_MASTER_KEY_FILE=${path}`,
    })
  }
}

async function makeStore({ storeUrl }: Configuration, audit: AuditTrail): Promise<void> {
  await audit.append({ event: 'store.create' })
  const store = await openStore(storeUrl.value, { create: true })
  await store.close?.()
}

async function makeDocument({ documentPath, provider }: Survey, audit: AuditTrail): Promise<void> {
  const { name, backend, options } = provider
  const folder = dirname(documentPath)
  const schema = relative(folder, join('node_modules', 'keywright', 'schema', 'encryption.schema.json'))
  const document = {
    $schema: schema,
    version: 1,
    provider: name,
    // Addresses and credentials of services stay in the environment.
    providers: {
      [name]: {
        type: backend.name,
        ...(typeof options['path'] === 'string' ? { path: options['path'] } : {}),
      },
    },
  }
  await audit.append({ event: 'config.change', details: { path: documentPath, change: 'created' } })
  try {
    await mkdir(folder, { recursive: true })
    await replaceFile(documentPath, `${JSON.stringify(document, null, 2)}\n`, {
      mode: 0o644,
      exclusive: true,
    })
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    throw new KeywrightError(
      'ERR_CONFIG_UNREADABLE',
      `cannot write the policy document ${documentPath} (${code})`,
      {
        hint: 'check the folder and its mode, then run init again: it goes on where it stopped',
      },
    )
  }
}
