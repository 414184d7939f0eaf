/** Which part of src/ may import which: the arrows of the design, as a table. */

/** `uses`: imports of any kind. `types`: `import type` only. */
interface Layer {
  readonly uses: readonly string[]
  readonly types?: readonly string[]
}

const CONTRACTS = ['errors', 'clock', 'nearest', 'provider', 'store', 'source']
const KEYS = [...CONTRACTS, 'crypto', 'policy', 'audit', 'resilience', 'telemetry']
const DATA = [...KEYS, 'files', 'keys']
const JOBS = [...DATA, 'data']
const FACADE = [...JOBS, 'jobs']
const COMPOSE = [...FACADE, 'keywright', 'integrations', 'config']
const TOP = [...COMPOSE, 'index', 'compose']

/** The name of a layer is a folder of src/ or a file there without `.ts`. */
export const LAYERS: ReadonlyMap<string, Layer> = new Map<string, Layer>([
  ['errors', { uses: [] }],
  ['clock', { uses: [] }],
  ['nearest', { uses: [] }],
  ['provider', { uses: ['errors', 'files'] }],
  ['store', { uses: ['errors'], types: ['provider', 'audit'] }],
  ['source', { uses: ['errors'] }],
  ['crypto', { uses: ['errors'] }],
  ['files', { uses: ['errors'] }],
  ['policy', { uses: ['errors', 'nearest', 'crypto'], types: ['store'] }],
  ['audit', { uses: ['errors', 'clock', 'crypto', 'files'] }],
  ['resilience', { uses: ['errors'] }],
  ['telemetry', { uses: [] }],
  ['keys', { uses: KEYS }],
  ['data', { uses: DATA }],
  ['jobs', { uses: JOBS }],
  ['config', { uses: [...CONTRACTS, 'files', 'policy'] }],
  ['keywright', { uses: FACADE }],
  ['integrations', { uses: [...FACADE, 'keywright'] }],
  ['compose', { uses: COMPOSE }],
  ['index', { uses: [...COMPOSE, 'compose'] }],
  ['testing', { uses: TOP }],
  ['server', { uses: TOP }],
  ['cli', { uses: [...TOP, 'server', 'testing'] }],
])

/** `src/keys/record.ts` → `keys`, `src/errors.ts` → `errors`. */
export function layerOf(path: string): string {
  const [, part = ''] = path.split('/')
  return part.replace(/\.ts$/, '')
}
