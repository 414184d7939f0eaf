/** Secrets that tests send through the program, and the search for them in everything that comes out of it. */
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

/** A secret by name: text, or bytes. */
export interface Canary {
  readonly name: string
  readonly value: string | Uint8Array
}

/** Where a canary was found. */
export interface Finding {
  readonly canary: string
  readonly form: string
}

/**
 * So many characters or bytes in a row are found, so that a part of a secret (the first 80 characters, a cut line)
 * does not get through. By chance eight random bytes do not meet.
 */
const WINDOW = 8

/** Windows at both ends and every eight places between: none longer than twice a window can hide. */
function windowsOf<T extends { readonly length: number; slice(from: number, to: number): T }>(whole: T): T[] {
  if (whole.length <= WINDOW) return [whole]
  const windows: T[] = []
  for (let at = 0; at + WINDOW < whole.length; at += WINDOW) windows.push(whole.slice(at, at + WINDOW))
  return [...windows, whole.slice(whole.length - WINDOW, whole.length)]
}

/** Base64 at each of the three places that a byte can have in a group; what depends on neighbours is cut off. */
function base64Forms(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const sound = text.slice(Math.ceil((shift * 4) / 3), Math.floor(((shift + bytes.length) * 4) / 3) - 1)
    return encoding === 'base64' ? sound : sound.replaceAll('+', '-').replaceAll('/', '_')
  })
}

const escapedUnicode = (text: string): string =>
  text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Every spelling of some bytes, as latin1 text. */
function bytesForms(bytes: Buffer): Record<string, readonly string[]> {
  const hex = bytes.toString('hex')
  return {
    raw: [bytes.toString('latin1')],
    base64: base64Forms(bytes, 'base64'),
    base64url: base64Forms(bytes, 'base64url'),
    hex: [hex, hex.toUpperCase()],
    'list of numbers': [[...bytes].join(',')],
    'URL-encoded bytes': [hex.replace(/../g, '%$&'), hex.toUpperCase().replace(/../g, '%$&')],
  }
}

/** Every spelling of a text, as latin1 text: `plain` is its UTF-8. */
function textForms(text: string): Record<string, readonly string[]> {
  const latin1 = (form: string): string => Buffer.from(form, 'utf8').toString('latin1')
  const json = JSON.stringify(text).slice(1, -1)
  return {
    ...bytesForms(Buffer.from(text, 'utf8')),
    plain: [latin1(text)],
    'UTF-16': [Buffer.from(text, 'utf16le').toString('latin1')],
    'JSON-escaped': [latin1(json), escapedUnicode(json), latin1(json.replaceAll('/', '\\/'))],
    'JSON-escaped twice': [latin1(JSON.stringify(json).slice(1, -1))],
    'URL-encoded': [encodeURIComponent(text), new URLSearchParams({ '': text }).toString().slice(1)],
    inspected: [latin1(inspect(text).slice(1, -1))],
  }
}

/** Form → texts that must not occur. */
export function formsOf({ value }: Canary): ReadonlyMap<string, readonly string[]> {
  const forms = new Map<string, string[]>()
  const add = (found: Record<string, readonly string[]>): void => {
    for (const [form, texts] of Object.entries(found)) {
      forms.set(form, [...(forms.get(form) ?? []), ...texts.filter((text) => text !== '')])
    }
  }
  if (typeof value === 'string') for (const part of windowsOf(value)) add(textForms(part))
  else for (const part of windowsOf(Buffer.from(value))) add(bytesForms(part))
  return forms
}

/** Searches many texts for the same canaries; their forms are made once. */
export class CanarySearch {
  readonly #forms: readonly (Finding & { readonly text: string })[]

  constructor(canaries: readonly Canary[]) {
    this.#forms = canaries.flatMap((canary) =>
      [...formsOf(canary)].flatMap(([form, texts]) =>
        texts.map((text) => ({ canary: canary.name, form, text })),
      ),
    )
  }

  /** The canaries that occur in `output`, each once per form. */
  find(output: string | Uint8Array): Finding[] {
    const haystack = Buffer.from(output).toString('latin1')
    const dense = haystack.replace(/\s+/g, '') // hex in groups, lists and base64 in lines
    const found = new Map<string, Finding>()
    for (const { canary, form, text } of this.#forms) {
      if (haystack.includes(text) || dense.includes(text)) found.set(`${canary} ${form}`, { canary, form })
    }
    return [...found.values()]
  }
}

/** Text that every encoding spells differently: with quotes, slashes, white space and letters beyond ASCII. */
export function textCanary(name: string): { readonly name: string; readonly value: string } {
  const noise = randomBytes(9).toString('base64url')
  return { name, value: `${noise}ä"\\/ ${noise.split('').reverse().join('')}+é\n%&€${noise.slice(3)}` }
}

export function bytesCanary(name: string, length = 32): { readonly name: string; readonly value: Buffer } {
  return { name, value: randomBytes(length) }
}
