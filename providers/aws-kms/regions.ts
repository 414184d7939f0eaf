/** The regions of a key: a client for each, and the order in which they are asked. */
import { importLib, KeywrightError, once, type ServerFacts } from '../../src/provider.ts'
import { assertNotAborted } from '../local/call.ts'
import { corrupted, isAboutKey, isExpired, type KmsOperation, kmsError } from './errors.ts'
import { type KeyName, keyIdFor } from './key-name.ts'
import { assertUsable, type KeyPlace } from './key-state.ts'
import { type AwsKmsSettings, isSecure, type RegionAddress } from './options.ts'
import type { AwsKmsClient, AwsKmsLib, AwsMiddleware } from './sdk.ts'

/** How long a region that was unavailable is asked last. */
const AVOIDED_MS = 30_000

/** What a call gets of the region in which it is made. */
export interface Place extends KeyPlace {
  /** What the last answer showed. */
  readonly facts: () => ServerFacts
}

export interface RegionCall {
  readonly operation: KmsOperation
  readonly key: KeyName
  readonly signal: AbortSignal | undefined
  /** Ask this region alone. */
  readonly only?: string
}

interface Region {
  readonly name: string
  readonly client: ReturnType<typeof once<AwsKmsClient>>
  facts: ServerFacts
  /** As of performance.now(). */
  avoidedUntil: number
}

export class Regions {
  readonly #settings: AwsKmsSettings
  readonly #regions: readonly Region[]

  constructor(settings: AwsKmsSettings) {
    this.#settings = settings
    this.#regions = settings.regions.map((address) => {
      const region: Region = {
        name: address.name,
        client: once(() =>
          openClient(settings, address, (facts) => {
            region.facts = facts
          }),
        ),
        facts: {},
        avoidedUntil: 0,
      }
      return region
    })
  }

  get names(): readonly string[] {
    return this.#regions.map(({ name }) => name)
  }

  /**
   * Makes the calls of `run` in the first region that is available. Any other failure is final: another region would
   * say the same, or should not say otherwise. Throws KeywrightError and nothing else.
   */
  async call<T>(call: RegionCall, run: (place: Place) => Promise<T>): Promise<T> {
    const order = this.#order(call.only)
    let failure: KeywrightError | undefined
    for (const [index, region] of order.entries()) {
      const isLast = index === order.length - 1
      try {
        const value = await this.#attempt(region, call, isLast, run)
        region.avoidedUntil = 0
        return value
      } catch (error) {
        assertNotAborted(call.signal)
        failure = kmsError(error, call.operation, region.name, call.key)
        const mayPass = failure.code === 'ERR_PROVIDER_UNAVAILABLE' || failure.code === 'ERR_PROVIDER_TIMEOUT'
        if (!mayPass) throw failure
        region.avoidedUntil = performance.now() + AVOIDED_MS
      }
    }
    throw failure ?? corrupted('never came', 'any region') // there is always a region
  }

  async close(): Promise<void> {
    for (const { client } of this.#regions) {
      const opened = await client.peek()?.catch(() => undefined)
      client.forget()
      opened?.destroy()
    }
  }

  #order(only: string | undefined): Region[] {
    const now = performance.now()
    const regions = this.#regions.filter(({ name }) => only === undefined || name === only)
    return regions.sort((a, b) => Number(a.avoidedUntil > now) - Number(b.avoidedUntil > now))
  }

  async #attempt<T>(
    region: Region,
    call: RegionCall,
    isLast: boolean,
    run: (place: Place) => Promise<T>,
  ): Promise<T> {
    const { grantTokens, regionTimeoutMs } = this.#settings
    const own = isLast ? undefined : AbortSignal.timeout(regionTimeoutMs)
    const signals = [call.signal, own].filter((signal) => signal !== undefined)
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0]
    assertNotAborted(signal)
    const client = await withSignal(region.client.get(), signal)
    const place: Place = {
      client,
      facts: () => region.facts,
      grants: grantTokens.length === 0 ? {} : { GrantTokens: [...grantTokens] },
      key: call.key,
      keyId: keyIdFor(call.key, region.name),
      options: signal === undefined ? {} : { abortSignal: signal },
      region: region.name,
    }
    return withSignal(attempt(place, run), signal)
  }
}

async function attempt<T>(place: Place, run: (place: Place) => Promise<T>): Promise<T> {
  try {
    return await renewing(place, run)
  } catch (error) {
    if (isAboutKey(error)) {
      await assertUsable(place).catch((reason: unknown) => {
        if (reason instanceof KeywrightError) throw reason // else it cannot be looked at: the first error stands
      })
    }
    throw error
  }
}

/** The client renews credentials before they end; when the service ends them earlier, once more with new ones. */
async function renewing<T>(place: Place, run: (place: Place) => Promise<T>): Promise<T> {
  try {
    return await run(place)
  } catch (error) {
    const { credentials } = place.client.config
    if (!isExpired(error) || credentials === undefined) throw error
    await credentials({ forceRefresh: true })
    return run(place)
  }
}

/** Finding credentials does not listen to the signal. */
async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  promise.catch(() => {}) // nobody may be left to hear it
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    assertNotAborted(signal)
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function openClient(
  settings: AwsKmsSettings,
  { endpoint, name }: RegionAddress,
  report: (facts: ServerFacts) => void,
): Promise<AwsKmsClient> {
  const { credentials, lib, profile } = settings
  const { KMS } = await importLib<AwsKmsLib>('@aws-sdk/client-kms', lib, () => import('@aws-sdk/client-kms'))
  const client = new KMS({
    region: name,
    maxAttempts: 1,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(profile === undefined ? {} : { profile }),
  })
  client.middlewareStack.add(watch(settings.allowInsecure, name, report), {
    step: 'deserialize',
    priority: 'low',
    name: 'keywright',
  })
  return client
}

/**
 * The last step before the wire. The client takes addresses from the shared AWS configuration too, and those were not
 * checked before.
 */
function watch(allowInsecure: boolean, region: string, report: (facts: ServerFacts) => void): AwsMiddleware {
  return (next) => async (args) => {
    const { hostname, protocol } = Object(args.request)
    if (!allowInsecure && !isSecure(String(protocol), String(hostname))) {
      throw insecureAddress(region)
    }
    const answer = await next(args)
    const time = Date.parse(Object(Object(answer.response).headers)['date'] ?? '')
    report({ tls: protocol === 'https:', ...(Number.isNaN(time) ? {} : { time }) })
    return answer
  }
}

function insecureAddress(region: string): KeywrightError {
  return new KeywrightError(
    'ERR_CONFIG_INVALID',
    `the AWS configuration of this host names an http address for KMS in ${region}`,
    {
      hint: 'use https there (endpoint_url, AWS_ENDPOINT_URL), or for an emulator set ENCRYPTION_AWS_ALLOW_INSECURE=true',
    },
  )
}
