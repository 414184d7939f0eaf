/** Where an integration gets its Keywright from. */
import type { Keywright } from '../../keywright.ts'

/**
 * A Keywright, or a function that gives it. Schemas, entities and plugins are often declared before anything is
 * opened, and tools load them without opening anything: the function is called with the first value.
 */
export type KeywrightSource = Keywright | (() => Keywright)

/** The Keywright of a source. */
export function keywrightOf(source: KeywrightSource): Keywright {
  return typeof source === 'function' ? source() : source
}

/** What `make` makes of the source's Keywright, made again only when the source gives another one. */
export function madeFor<T>(source: KeywrightSource, make: (kw: Keywright) => T): () => T {
  let last: { readonly kw: Keywright; readonly made: T } | undefined
  return () => {
    const kw = keywrightOf(source)
    if (last?.kw !== kw) last = { kw, made: make(kw) }
    return last.made
  }
}
