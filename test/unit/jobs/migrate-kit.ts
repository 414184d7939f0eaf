/** A place with old values, and a Keywright whose policy lets it migrate them. */

import memorySource, { type MemorySource } from '../../../sources/memory.ts'
import { writeFernet } from '../../../src/data/foreign/fernet.ts'
import { fernetKeys } from '../../../src/data/foreign/fernet-key.ts'
import type { DataPlace, RowsPlace } from '../../../src/jobs/places.ts'
import type { Source } from '../../../src/source.ts'
import { FakeClock, START } from '../../kit/clock.ts'
import { type AuditSink, Keywright, type Policy } from '../../kit/library.ts'
import { TestProvider } from '../../kit/provider.ts'
import { TestStore } from '../../kit/store.ts'
import { policyWith } from '../../kit/world.ts'

export const FERNET = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4='
export const OTHER_FERNET = 'VGhpcyBpcyAzMiBieXRlcyBvZiBrZXkgbWF0ZXJpYWw='

export const DAY = 86_400_000

/** A token as the old application wrote it. */
export function token(text: string | Uint8Array, key = FERNET): string {
  const [parsed] = fernetKeys([key])
  if (parsed === undefined) throw new Error('no key')
  return writeFernet(parsed, Buffer.from(text), START)
}

/** The window is open for ten days, for plain text and Fernet unless told otherwise. */
export function windowPolicy(reads: readonly string[] = ['plain', 'fernet'], more: object = {}): Policy {
  return policyWith({
    pii: { migration: { untilMs: START + 10 * DAY, reads }, ...more },
    financial_data: { migration: { untilMs: START + 10 * DAY, reads } },
  })
}

/** A place over a source that stays open for the test to look at. */
export function placeOver(source: Source, columns: RowsPlace['columns'], name = 'users'): RowsPlace {
  const { checkpoints, split } = source
  return {
    kind: 'rows',
    name,
    columns,
    open: async () => ({
      name: source.name,
      describe: (options) => source.describe(options),
      read: (query) => source.read(query as never),
      write: (request) => source.write(request),
      ...(split === undefined ? {} : { split: split.bind(source) }),
      ...(checkpoints === undefined ? {} : { checkpoints }),
    }),
  }
}

export interface Lab {
  readonly kw: Keywright
  readonly clock: FakeClock
  readonly source: MemorySource
  readonly store: TestStore
  /** Another process on the same keys. */
  open(policy?: Policy, places?: readonly DataPlace[]): Keywright
  end(): Promise<void>
}

export interface LabOptions {
  readonly rows?: readonly Readonly<Record<string, string | Uint8Array | null>>[]
  readonly columns?: RowsPlace['columns']
  readonly policy?: Policy
  readonly audit?: AuditSink
}

export function lab({ rows = [], columns = { email: {} }, policy = windowPolicy(), audit }: LabOptions): Lab {
  const source = memorySource({ name: 'users', rows })
  const place = placeOver(source, columns)
  const clock = new FakeClock()
  const provider = new TestProvider()
  const store = new TestStore()
  const opened: Keywright[] = []
  const open = (own = policy, places: readonly DataPlace[] = [place]): Keywright => {
    const kw = new Keywright({
      provider: provider.client(),
      store: store.client(),
      policy: own,
      clock: clock.forProcess(),
      places,
      ...(audit === undefined ? {} : { audit }),
    })
    opened.push(kw)
    return kw
  }
  return {
    kw: open(),
    clock,
    source,
    store,
    open,
    async end() {
      for (const kw of opened) await kw.close()
    },
  }
}
