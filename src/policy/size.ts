/** Sizes in bytes as people write them: '500MB', '1 GiB'. */
import { KeywrightError } from '../errors.ts'

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** The regular expression (source) of sizes, for schemas. */
export const SIZE_PATTERN = `^[1-9][0-9]{0,14} ?(?:${Object.keys(UNITS).join('|')})$`

export const SIZE_HINT = 'write a whole number of bytes, or a number and a unit: "1 GiB", "500MB"'

/** The bytes of `value`, or `undefined` when it is no size above zero. */
export function readSize(value: unknown): number | undefined {
  let bytes: number | undefined
  if (typeof value === 'number') bytes = value
  if (typeof value === 'string') {
    const found = /^([1-9][0-9]{0,14}) ?([A-Za-z]+)$/.exec(value)
    const unit = found?.[2] !== undefined && Object.hasOwn(UNITS, found[2]) ? UNITS[found[2]] : undefined
    if (found !== null && unit !== undefined) bytes = Number(found[1]) * unit
  }
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

/** The bytes of a size. Throws ERR_ARGUMENT_INVALID; the text is not repeated. */
export function parseSize(value: string | number): number {
  const bytes = readSize(value)
  if (bytes !== undefined) return bytes
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'not a size in bytes', { hint: SIZE_HINT })
}

/** For people: '1 GiB', '1.5 MiB', '812 bytes'; 'never' for Infinity. */
export function formatSize(bytes: number): string {
  if (bytes === Number.POSITIVE_INFINITY) return 'never'
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = UNITS[unit] ?? 1
    if (bytes >= size) return `${Math.floor((bytes / size) * 100) / 100} ${unit}`
  }
  return `${bytes} byte${bytes === 1 ? '' : 's'}`
}
