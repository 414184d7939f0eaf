/**
 * Spans and metrics of provider calls, through the API package of OpenTelemetry alone. Where it is not installed, or
 * no SDK is registered with it, nothing is recorded and next to nothing is spent.
 */
import type { Histogram, MeterProvider } from '@opentelemetry/api'

type Api = typeof import('@opentelemetry/api')

const NAME = 'keywright'

export interface CallTelemetry {
  /** Runs `call` inside a span and records how long it took and the code with which it failed. No values. */
  record<T>(provider: string, operation: string, call: () => Promise<T>): Promise<T>
}

let loaded: Promise<CallTelemetry | undefined> | undefined

/** The telemetry of this process; undefined without @opentelemetry/api. */
export function callTelemetry(): Promise<CallTelemetry | undefined> {
  loaded ??= import('@opentelemetry/api').then(
    (api) => new OpenTelemetryCalls(api),
    () => undefined,
  )
  return loaded
}

class OpenTelemetryCalls implements CallTelemetry {
  readonly #api: Api
  #meters: MeterProvider | undefined
  #duration: Histogram | undefined

  constructor(api: Api) {
    this.#api = api
  }

  record<T>(provider: string, operation: string, call: () => Promise<T>): Promise<T> {
    if (this.#isIdle()) return call()
    const { SpanKind, SpanStatusCode, trace } = this.#api
    const attributes: Record<string, string> = {
      'keywright.provider': provider,
      'keywright.operation': operation,
    }
    const started = performance.now()
    return trace
      .getTracer(NAME)
      .startActiveSpan(`keywright ${operation}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
        try {
          return await call()
        } catch (error) {
          const code = String((error as { code?: unknown }).code ?? 'unknown')
          attributes['error.type'] = code
          span.setAttribute('error.type', code)
          span.setStatus({ code: SpanStatusCode.ERROR, message: code })
          throw error
        } finally {
          this.#histogram().record((performance.now() - started) / 1000, attributes)
          span.end()
        }
      })
  }

  /** Nobody has registered anything that would record. */
  #isIdle(): boolean {
    const { createNoopMeter, metrics, ProxyTracerProvider, trace } = this.#api
    const tracers = trace.getTracerProvider()
    const hasTracer =
      !(tracers instanceof ProxyTracerProvider) || tracers.getDelegateTracer(NAME) !== undefined
    return !hasTracer && metrics.getMeter(NAME) === createNoopMeter()
  }

  /** Unlike a tracer, an instrument made before the SDK was registered would stay without effect for ever. */
  #histogram(): Histogram {
    const meters = this.#api.metrics.getMeterProvider()
    if (this.#duration === undefined || meters !== this.#meters) {
      this.#meters = meters
      this.#duration = meters.getMeter(NAME).createHistogram('keywright.provider.call.duration', {
        description: 'Duration of calls of a key provider, retries included',
        unit: 's',
      })
    }
    return this.#duration
  }
}
