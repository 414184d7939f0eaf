/** What is there before `init` makes anything. Looks, changes nothing. */
import { access } from 'node:fs/promises'
import { fileAuditSink } from '../../audit/file-sink.ts'
import { AuditLog } from '../../audit/log.ts'
import {
  type Configuration,
  configure,
  DEFAULT_CONFIG_PATH,
  openProviders,
  openStore,
  type PlannedProvider,
} from '../../compose.ts'
import { auditFile } from '../../config/audit-place.ts'
import { variable } from '../../config/environment.ts'
import { shownStoreUrl } from '../../config/store-url.ts'
import { KeywrightError } from '../../errors.ts'
import { ProviderCalls } from '../../keys/provider-calls.ts'
import type { MasterKeyDescription } from '../../provider.ts'
import type { Call } from '../call.ts'
import { clockOf, openOptions } from '../opened.ts'
import { selectedBackend } from '../selected.ts'
import { type RootChoice, rootOptions } from './root-secret.ts'

export interface Survey {
  readonly configuration: Configuration
  /** The provider whose master key is made. */
  readonly provider: PlannedProvider
  readonly master: 'exists' | 'missing'
  /** The master key is there and does not open: with that nothing can be built on it. */
  readonly masterProblem?: KeywrightError
  readonly store: 'missing' | 'empty' | 'has keys'
  readonly document: 'exists' | 'missing'
  readonly documentPath: string
}

export async function survey(call: Call, root: RootChoice | undefined): Promise<Survey> {
  const documentPath =
    call.global.text('config') ?? variable(call.io.env, 'ENCRYPTION_CONFIG') ?? DEFAULT_CONFIG_PATH
  const document = (await exists(documentPath)) ? 'exists' : 'missing'
  const configuration = await configure({ ...configureOptions(call, document), ...rootOptions(root) })
  const { provider } = selectedBackend(call, configuration)
  return {
    configuration,
    provider,
    ...(await surveyMaster(call, configuration, provider.name)),
    store: await surveyStore(configuration.storeUrl.value),
    document,
    documentPath,
  }
}

/** Without a document and without a word about the backend it is a key file. */
function configureOptions(call: Call, document: Survey['document']) {
  const { config, ...options } = openOptions(call)
  const named = options.backend ?? variable(call.io.env, 'ENCRYPTION_KEY_STORAGE_BACKEND')
  // A document that is still to be made cannot be read; its absence is no mistake here.
  const environment = { ...call.io.env, ...(document === 'missing' ? { ENCRYPTION_CONFIG: undefined } : {}) }
  return {
    ...options,
    environment,
    ...(config === undefined || document === 'missing' ? {} : { config }),
    ...(named === undefined && document === 'missing' ? { backend: 'file' } : {}),
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const MISSING: ReadonlySet<string> = new Set(['ERR_KEY_FILE_MISSING', 'ERR_MASTER_KEY_NOT_FOUND'])
/** It is there, only this call cannot open it. */
const THERE: ReadonlySet<string> = new Set([
  'ERR_ROOT_SECRET_MISSING',
  'ERR_ROOT_SECRET_WRONG',
  'ERR_KEY_FILE_UNSEALED',
])

/** A key that cannot be used is no beginning either. */
function problemOf(name: string, state: MasterKeyDescription['state']): KeywrightError | undefined {
  if (state === 'enabled') return undefined
  const isLeaving = state === 'pending-deletion'
  const code = isLeaving ? 'ERR_MASTER_KEY_DELETED' : 'ERR_MASTER_KEY_DISABLED'
  return new KeywrightError(code, `the master key of ${name} is ${state}`, {
    hint: `${isLeaving ? 'cancel its deletion' : 'enable it'} in the service, or name another one in ENCRYPTION_KEY_ID and ENCRYPTION_KEY_VERSION`,
    details: { provider: name },
  })
}

async function surveyMaster(
  call: Call,
  configuration: Configuration,
  name: string,
): Promise<Pick<Survey, 'master' | 'masterProblem'>> {
  const providers = await openProviders(configuration, false)
  const calls = new ProviderCalls({ providers, now: call.io.now })
  try {
    const { state } = await calls.describe(name)
    const problem = problemOf(name, state)
    return { master: 'exists', ...(problem === undefined ? {} : { masterProblem: problem }) }
  } catch (error) {
    if (!(error instanceof KeywrightError)) throw error
    if (MISSING.has(error.code)) return { master: 'missing' }
    if (THERE.has(error.code)) return { master: 'exists', masterProblem: error }
    throw error
  } finally {
    await calls.close()
  }
}

async function surveyStore(url: string): Promise<Survey['store']> {
  try {
    const store = await openStore(url)
    try {
      return (await store.list({ limit: 1 })).records.length === 0 ? 'empty' : 'has keys'
    } finally {
      await store.close?.()
    }
  } catch (error) {
    if (error instanceof KeywrightError && error.code === 'ERR_STORE_MISSING') return 'missing'
    throw error
  }
}

/** Throws when everything is there, and when what is missing was lost. */
export async function assertNew(call: Call, found: Survey): Promise<void> {
  const { configuration, document, documentPath, master, masterProblem, provider, store } = found
  const storeUrl = shownStoreUrl(configuration.storeUrl.value)
  if (master === 'exists' && store !== 'missing' && document === 'exists') {
    throw new KeywrightError(
      provider.backend.usesRootSecret ? 'ERR_KEY_FILE_EXISTS' : 'ERR_STORE_EXISTS',
      `nothing was made, everything is there:${[masterName(provider), storeUrl, documentPath].map((one) => `\n  - ${one}`).join('')}`,
      { hint: 'use what is there: keywright doctor tells whether it is in order' },
    )
  }
  if (masterProblem !== undefined) throw masterProblem
  if (master === 'missing' && store === 'has keys') {
    throw masterLost(provider, storeUrl)
  }
  if (store === 'missing' && (await logKnowsKeys(call, configuration))) {
    throw new KeywrightError(
      'ERR_STORE_MISSING',
      `the audit log tells of keys, and the store ${storeUrl} that had them is gone`,
      {
        hint: 'restore the store from a backup; for a really new installation move the audit log away first',
      },
    )
  }
}

function masterLost({ backend, name }: PlannedProvider, storeUrl: string): KeywrightError {
  const inFile = backend.name === 'file'
  const what = inFile ? 'the master key they need is gone' : `${name} does not have the master key they need`
  const remedy = inFile
    ? 'restore the key file from a backup'
    : 'correct ENCRYPTION_KEY_ID and the other settings of the backend, or restore the key in the service'
  return new KeywrightError(
    inFile ? 'ERR_KEY_FILE_MISSING' : 'ERR_MASTER_KEY_NOT_FOUND',
    `the store ${storeUrl} has keys, and ${what}`,
    { hint: `${remedy}: a new one does not open these keys; nothing was changed` },
  )
}

/** The key file, or the provider where it is elsewhere. */
export function masterName({ name, options }: PlannedProvider): string {
  const { path } = options
  return typeof path === 'string' ? path : `master key of ${name}`
}

async function logKnowsKeys(call: Call, { audit }: Configuration): Promise<boolean> {
  const path = auditFile(audit.value)
  if (path === undefined) return false
  const log = new AuditLog({ sink: fileAuditSink({ path }), clock: clockOf(call) })
  try {
    for await (const _ of log.list({ event: 'key.create', limit: 1 })) return true
    return false
  } finally {
    await log.close()
  }
}
