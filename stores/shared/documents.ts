/** What every store does alike with a document: checking its name and text, on the way in and out. */
import { KeywrightError, type StoredDocument } from '../../src/store.ts'

const NAME = /^[a-z0-9][a-z0-9:._/-]{0,199}$/
const PREFIX = /^(?:[a-z0-9][a-z0-9:._/-]{0,199})?$/
const LARGEST_TEXT_BYTES = 2 ** 20

/** Greater than every character that a name may have. */
const AFTER_ALL_NAMES = '\u007f'

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1

// PostgreSQL's text has no NUL, and a lone surrogate no UTF-8 form: either would come back changed, or not at all.
const isText = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.isWellFormed() &&
  !value.includes('\0') &&
  Buffer.byteLength(value) <= LARGEST_TEXT_BYTES

const MEMBERS = {
  name: (value) => typeof value === 'string' && NAME.test(value),
  text: isText,
  revision: isCount,
} as const satisfies Record<keyof StoredDocument, (value: unknown) => boolean>

function faultyMember(value: Readonly<Record<keyof StoredDocument, unknown>>): string | undefined {
  return Object.entries(MEMBERS).find(([name, isSound]) => !isSound(value[name as keyof StoredDocument]))?.[0]
}

/** A checked copy of what a caller wants to write. Throws ERR_ARGUMENT_INVALID that names the member, never its value. */
export function checkedDocument(document: StoredDocument): StoredDocument {
  const isObject = typeof document === 'object' && document !== null
  const fault = isObject ? faultyMember(document) : 'document'
  if (fault === undefined) return copyDocument(document)
  throw badDocument(fault)
}

/** Throws ERR_ARGUMENT_INVALID for what cannot be the name of a document. */
export function assertDocumentName(name: string): void {
  if (!MEMBERS.name(name)) throw badDocument('name')
}

/** Throws ERR_ARGUMENT_INVALID for a revision that no stored document has. */
export function assertRevision(revision: number): void {
  if (!isCount(revision)) throw badDocument('revision')
}

/** The names that begin with `prefix`: from `from` on and before `before`. Throws ERR_ARGUMENT_INVALID. */
export function namesWith(prefix: string): { readonly from: string; readonly before: string } {
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) throw badDocument('prefix')
  return { from: prefix, before: `${prefix}${AFTER_ALL_NAMES}` }
}

/** A copy of what a store read, if it is a sound document. Throws ERR_STORE_CORRUPT. */
export function soundDocument(
  value: Readonly<Record<keyof StoredDocument, unknown>>,
  location: string,
): StoredDocument {
  const fault = faultyMember(value)
  if (fault === undefined) return copyDocument(value as StoredDocument)
  throw new KeywrightError('ERR_STORE_CORRUPT', `a document in ${location} is damaged: bad "${fault}"`, {
    hint: 'the keys are not touched by this; restore the store from a backup, or remove the document by hand',
    details: { member: fault, location },
  })
}

/** A copy with nothing beside its members. */
export function copyDocument({ name, text, revision }: StoredDocument): StoredDocument {
  return { name, text, revision }
}

function badDocument(member: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `the document has a bad "${member}"`, {
    hint: 'a name is [a-z0-9][a-z0-9:._/-]{0,199}, a text at most 1 MiB without NUL, a revision 1 or more',
    details: { member },
  })
}
