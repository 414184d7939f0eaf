/** Deadlines, retries and counters of provider calls as an application sees them, and what telemetry records. */
import { metrics, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world = new World()
afterEach(() => world.end())

describe('provider calls', () => {
  it('survive a provider that fails now and then, and count what it cost', async () => {
    world = new World()
    const kw = world.open({ resilience: { retryDelayMs: 1 } })
    let calls = 0
    world.provider.before = () => {
      world.provider.mode = ++calls % 2 === 1 ? 'down' : 'up'
    }
    const sealed = await kw.encrypt('pii', 'x')
    expect(await kw.decrypt(sealed)).toBe('x')
    expect(kw.counters()['memory']).toMatchObject({
      wraps: 1,
      unwraps: 1,
      failures: 0,
      retries: 2,
      refused: 0,
    })
  })

  it('end within the deadline when the provider hangs, whatever may be tried again', async () => {
    world = new World()
    world.provider.mode = 'hang'
    const kw = world.open({ providerTimeoutMs: 50, resilience: { attempts: 5 } })
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_PROVIDER_TIMEOUT')
    expect(kw.counters()['memory']).toMatchObject({ wraps: 1, failures: 1, retries: 0 })
  })

  it('do not storm a provider that refuses', async () => {
    world = new World()
    world.provider.mode = 'denied'
    const kw = world.open({ resilience: {} })
    for (let at = 0; at < 20; at++) await expectCode(kw.encrypt('pii', 'x'), 'ERR_PROVIDER_DENIED')
    expect(world.provider.wraps).toBe(1)
  })
})

describe('telemetry', () => {
  const spans = new InMemorySpanExporter()
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e6 })
  beforeAll(() => {
    trace.setGlobalTracerProvider(
      new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }),
    )
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  })
  afterAll(async () => {
    await reader.shutdown()
    trace.disable()
    metrics.disable()
  })

  it('records provider, operation, duration and the code of a failure; nothing else', async () => {
    world = new World()
    const kw = world.open()
    await kw.decrypt(await kw.encrypt('pii', 'a secret value'))
    world.provider.mode = 'down'
    await expectCode(kw.encrypt('session', 'y'), 'ERR_PROVIDER_UNAVAILABLE')
    const seen = spans.getFinishedSpans().map(({ name, attributes }) => ({ name, attributes }))
    const base = { 'keywright.provider': 'memory' }
    expect(seen).toEqual([
      { name: 'keywright wrap', attributes: { ...base, 'keywright.operation': 'wrap' } },
      { name: 'keywright unwrap', attributes: { ...base, 'keywright.operation': 'unwrap' } },
      {
        name: 'keywright wrap',
        attributes: { ...base, 'keywright.operation': 'wrap', 'error.type': 'ERR_PROVIDER_UNAVAILABLE' },
      },
    ])
    await reader.forceFlush()
    const [metric] = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? []
    expect(metric?.descriptor).toMatchObject({ name: 'keywright.provider.call.duration', unit: 's' })
    expect(metric?.dataPoints).toHaveLength(3)
  })
})
