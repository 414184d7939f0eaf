/** Values of options: as they are meant in code and JSON, or as text out of an environment or a URL. */

/** What is wrong with an option. Holds no value. */
export class RedisTargetError extends Error {
  override readonly name = 'RedisTargetError'
  /** The option at fault. */
  readonly option: string
  /** What to write instead. */
  readonly hint: string

  constructor(option: string, message: string, hint: string) {
    super(message)
    this.option = option
    this.hint = hint
  }
}

/** A text that is not empty. @throws RedisTargetError */
export function text(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw new RedisTargetError(option, `"${option}" is not a text`, 'pass a text that is not empty')
}

const FLAGS: ReadonlyMap<unknown, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

/** Whether {@link flag} takes it. */
export const isFlag = (value: unknown): boolean => typeof value === 'boolean' || FLAGS.has(value)

/** A flag that may be text. @throws RedisTargetError */
export function flag(option: string, value: unknown): boolean {
  const found = typeof value === 'boolean' ? value : FLAGS.get(value)
  if (found !== undefined) return found
  throw new RedisTargetError(option, `"${option}" is neither true nor false`, 'pass true or false')
}

/** Milliseconds from `least` on that may be text. @throws RedisTargetError */
export function milliseconds(option: string, value: unknown, least = 1): number {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (Number.isInteger(number) && (number as number) >= least && (number as number) < 2 ** 31) {
    return number as number
  }
  const hint = `pass a whole number from ${least}`
  throw new RedisTargetError(option, `"${option}" is no number of milliseconds`, hint)
}

/** A list of texts, which may be one text with commas. @throws RedisTargetError */
export function list(option: string, value: unknown): readonly string[] {
  const items: unknown = typeof value === 'string' ? value.split(',') : value
  if (Array.isArray(items) && items.length > 0 && items.every((item) => typeof item === 'string'))
    return items
  throw new RedisTargetError(
    option,
    `"${option}" is no list of hosts`,
    'write host:port, separated by commas',
  )
}
