/**
 * The fault switch that all wire fakes share. It knows no protocol: it says which calls go wrong, and how; a fake
 * translates that into what its service would put on the wire.
 */

/** The ways in which a call can go wrong. */
export const FAULTS = [
  /** Too many requests: 429, RESOURCE_EXHAUSTED. */
  'throttle',
  /** The service is down behind its front: 503, UNAVAILABLE. */
  'unavailable',
  /** The request is read and never answered. */
  'hang',
  /** The connection is cut before the answer. */
  'reset',
  /** The connection is cut in the middle of the answer. */
  'half-reply',
  /** The answer's checksum does not fit its bytes; without checksums, the bytes are damaged. */
  'wrong-checksum',
  /** The answer lacks a field that the client needs. */
  'missing-field',
  /** The answer is that of another key. */
  'other-key',
  /** The caller's token is not accepted any more, as if it had ended. */
  'expired-token',
] as const

/** One of {@link FAULTS}. */
export type Fault = (typeof FAULTS)[number]

export interface FaultOptions {
  /** How many calls go wrong before they succeed again; Infinity for all until `clear`. @default 1 */
  readonly calls?: number
  /** How many calls succeed before the first one goes wrong. @default 0 */
  readonly after?: number
  /** Only calls of this operation, in the fake's own words. @default any operation */
  readonly operation?: string
}

interface Armed {
  readonly fault: Fault
  readonly operation: string | undefined
  after: number
  calls: number
}

/** A queue of faults: the first one that fits a call is used up by it. */
export class Faults {
  #queue: Armed[] = []

  /** Arms a fault behind those that are armed already. Throws RangeError for counts that are no counts. */
  inject(fault: Fault, { after = 0, calls = 1, operation }: FaultOptions = {}): void {
    if (!(calls >= 1) || !(after >= 0)) {
      throw new RangeError('a fault expects calls from 1 and after from 0')
    }
    this.#queue.push({ fault, operation, after, calls })
  }

  /** For the fake, once a call: how this call goes wrong, if it does. */
  take(operation: string): Fault | undefined {
    const armed = this.#queue.find((entry) => entry.operation === undefined || entry.operation === operation)
    if (armed === undefined) return undefined
    if (armed.after > 0) {
      armed.after--
      return undefined
    }
    armed.calls--
    if (armed.calls <= 0) this.#queue = this.#queue.filter((entry) => entry !== armed)
    return armed.fault
  }

  /** Calls that have yet to go wrong: 0 when every fault has been used up. */
  get pending(): number {
    return this.#queue.reduce((sum, { calls }) => sum + calls, 0)
  }

  /** Disarms everything: calls succeed again. */
  clear(): void {
    this.#queue = []
  }
}
