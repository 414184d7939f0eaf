/** The random id that is made with a store and that its copies share. */
import { randomUUID } from 'node:crypto'
import { KeywrightError } from '../../src/store.ts'

const FORM = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Whether `value` is the id of an installation. */
export function isInstallation(value: unknown): value is string {
  return typeof value === 'string' && FORM.test(value)
}

/** The id for a new store: the given one, else a random one. Throws ERR_ARGUMENT_INVALID. */
export function newInstallation(given: string | undefined): string {
  if (given === undefined) return randomUUID()
  if (isInstallation(given)) return given
  throw new KeywrightError('ERR_ARGUMENT_INVALID', '"installation" expected the id of an installation', {
    hint: 'pass the installation of the store that is copied, as describe() tells it, or leave it out',
  })
}
