/** One call of an Azure client: the signal is heard whether the client listens or not, errors are ours. */
import { KeywrightError, type ServerFacts } from '../../src/provider.ts'
import { type AzureOperation, azureError, corrupted, failureOf } from './errors.ts'
import type { AzureCallOptions, AzureResponse } from './sdk.ts'

/** What came back, and what the answer showed beside it. */
export interface Answer<T> {
  readonly value: T
  /** `kid` of the answer to a cryptographic operation: the client itself does not look at it. */
  readonly kid: unknown
  readonly server: ServerFacts
}

/**
 * Throws ERR_ABORTED when the signal is aborted, ERR_PROVIDER_TIMEOUT when AbortSignal.timeout did it. The reason
 * itself may be anything, so it is not passed on.
 */
export function assertNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}

function abortError({ reason }: AbortSignal): KeywrightError {
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new KeywrightError('ERR_PROVIDER_TIMEOUT', 'the call of Azure Key Vault took too long', {
      hint: 'is the service reachable from here? then try again, or allow it more time',
    })
  }
  return new KeywrightError('ERR_ABORTED', 'the call of Azure Key Vault was aborted')
}

/** Settles with `promise` or rejects with the abort, whichever is first. Logins do not all listen to the signal. */
async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(abortError(signal))
    signal.addEventListener('abort', stop, { once: true })
  })
  promise.catch(() => {}) // nobody may be left to hear it
  try {
    assertNotAborted(signal)
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Makes the call `run`; throws KeywrightError and nothing else. */
export async function callAzure<T>(
  operation: AzureOperation,
  signal: AbortSignal | undefined,
  run: (options: AzureCallOptions) => Promise<T>,
): Promise<Answer<T>> {
  assertNotAborted(signal)
  let seen: AzureResponse | undefined
  const options: AzureCallOptions = {
    onResponse: (response) => {
      seen = response
    },
    ...(signal === undefined ? {} : { abortSignal: signal }),
  }
  try {
    const value = await withSignal(run(options), signal)
    return { value, kid: Object(seen?.parsedBody).kid, server: serverFacts(seen) }
  } catch (error) {
    assertNotAborted(signal)
    if (error instanceof KeywrightError) throw error
    throw sorted(operation, error, seen)
  }
}

/** The client fails with an error of no kind on an answer that it did not expect; the status tells which it was. */
function sorted(operation: AzureOperation, error: unknown, seen: AzureResponse | undefined): KeywrightError {
  const failure = failureOf(error, seen?.status)
  if (/^(Type)?Error$/.test(failure.name) && seen !== undefined && seen.status < 400) {
    return corrupted(operation, 'lacks a field, or a field is not what it should be')
  }
  return azureError(operation, failure, retryAfterMs(seen))
}

/** Seconds, as Key Vault sends them. https://learn.microsoft.com/azure/key-vault/general/overview-throttling */
function retryAfterMs(seen: AzureResponse | undefined): number | undefined {
  const text = seen?.headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined
}

function serverFacts(seen: AzureResponse | undefined): ServerFacts {
  const version = seen?.headers.get('x-ms-keyvault-service-version')
  const time = Date.parse(seen?.headers.get('date') ?? '')
  return {
    tls: true,
    ...(version === undefined ? {} : { version: `Azure Key Vault ${version}` }),
    ...(Number.isNaN(time) ? {} : { time }),
  }
}
