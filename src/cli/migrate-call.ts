/** What the commands of `migrate` share: which columns, the old keys, the pace. */
import { fernetKeysIn } from '../config/environment.ts'
import type { ForeignOptions } from '../data/foreign/readers.ts'
import type { MigrationRunOptions, MigrationSelection } from '../jobs/migrate/request.ts'
import { type Call, wrongUse } from './call.ts'
import { parseCount, readInput } from './values.ts'

/** As `--source` and `--column` say. */
export function selectionOf({ options }: Call): MigrationSelection {
  const [places, columns] = [options.list('source'), options.list('column')]
  return {
    ...(places.length === 0 ? {} : { places }),
    ...(columns.length === 0 ? {} : { columns }),
  }
}

/** The Fernet keys: of `--old-key-file`, else of the environment. Throws ERR_INPUT_INVALID. */
export async function foreignOf({ io, options }: Call): Promise<ForeignOptions> {
  const path = options.text('oldKeyFile')
  if (path === undefined) return { fernetKeys: fernetKeysIn(io.env) }
  const bytes = await readInput(path)
  try {
    return { fernetKeys: [bytes.toString('utf8')] }
  } finally {
    bytes.fill(0)
  }
}

/** As `--batch` and `--rate` say. Throws ERR_ARGUMENT_INVALID. */
export function paceOf({ options }: Call): Pick<MigrationRunOptions, 'batch' | 'rate'> {
  const batch = parseCount('batch', options.text('batch'))
  const rate = parseCount('rate', options.text('rate'))
  return { ...(batch === undefined ? {} : { batch }), ...(rate === undefined ? {} : { rate }) }
}

/** The share that `--sample` asks for. Throws ERR_ARGUMENT_INVALID. */
export function sampleOf({ options }: Call): { readonly sample?: number } {
  const text = options.text('sample')
  if (text === undefined) return {}
  const percent = /^[0-9]{1,3}(\.[0-9]{1,6})?%?$/.test(text) ? Number(text.replace('%', '')) : 0
  if (percent > 0 && percent <= 100) return { sample: percent / 100 }
  throw wrongUse('--sample is not a percentage above 0 and at most 100', 'write --sample 5')
}
