/** Zstandard as this Node has it, with bounds on what comes out. */
import zlib from 'node:zlib'
import { damaged } from '../../crypto/file-header.ts'
import { KeywrightError } from '../../errors.ts'
import type { InflateLimits } from './options.ts'

const DEFAULT_MAX_BYTES = 2 ** 40
const DEFAULT_MAX_RATIO = 1000
/** Below this the ratio says nothing: a short run of zeros has any. */
const FREE_BYTES = 64 * 2 ** 20
/** What we write needs 2 MiB of window; more memory than this is not spent on a frame that asks for it. */
const MAX_WINDOW_LOG = 23

function required<T>(make: T | undefined): T {
  if (make !== undefined) return make
  throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'this Node has no Zstandard', {
    hint: "run Node 22.15 or newer, or leave compression 'none'",
  })
}

/** Throws ERR_DEPENDENCY_MISSING where Node has none. */
export function deflater(): zlib.ZstdCompress {
  return required(zlib.createZstdCompress)()
}

/** Throws ERR_DEPENDENCY_MISSING where Node has none. */
export function inflater(): zlib.ZstdDecompress {
  const { ZSTD_d_windowLogMax } = zlib.constants
  return required(zlib.createZstdDecompress)({ params: { [ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } })
}

/** Counts both sides of a decompression. */
export class InflateGuard {
  readonly #maxBytes: number
  readonly #maxRatio: number
  #in = 0
  #out = 0

  constructor({ maxInflatedBytes, maxInflationRatio }: InflateLimits) {
    this.#maxBytes = maxInflatedBytes ?? DEFAULT_MAX_BYTES
    this.#maxRatio = maxInflationRatio ?? DEFAULT_MAX_RATIO
  }

  get compressedBytes(): number {
    return this.#in
  }

  took(bytes: number): void {
    this.#in += bytes
  }

  /** Throws ERR_DECOMPRESSION_LIMIT. */
  gave(bytes: number): void {
    this.#out += bytes
    if (this.#out > this.#maxBytes) throw overLimit('maxInflatedBytes', this.#maxBytes)
    if (this.#out > FREE_BYTES && this.#out > this.#in * this.#maxRatio)
      throw overLimit('maxInflationRatio', this.#maxRatio)
  }
}

function overLimit(option: string, limit: number): KeywrightError {
  return new KeywrightError('ERR_DECOMPRESSION_LIMIT', `the content is larger than ${option} allows`, {
    hint: `if you know what it is, raise ${option}; else somebody who may encrypt has made a bomb`,
    details: { option, limit },
  })
}

/** What zlib finds wrong with content that is authentic. */
export function notZstd(): KeywrightError {
  return damaged('holds compressed content that cannot be decompressed', 'whoever encrypted it wrote it so')
}
