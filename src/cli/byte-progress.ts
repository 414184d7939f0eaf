/** How far work on bytes is: '██████░░░░  1.2 GiB of 2.4 GiB, 512 MiB/s, 3 seconds left'. */
import { formatSize } from '../policy/size.ts'
import type { Output } from './output.ts'
import { Cadence } from './progress.ts'
import { barOf } from './progress-bar.ts'
import { span } from './text.ts'

export interface ByteAdvance {
  readonly bytes: number
  /** Absent where nobody knows. */
  readonly total?: number | undefined
  /** Bytes a second. */
  readonly rate: number
}

export function byteText({ bytes, total, rate }: ByteAdvance): string {
  const speed = `${formatSize(Math.round(rate))}/s`
  if (total === undefined) return `${formatSize(bytes)}, ${speed}`
  const left = rate > 0 ? `, ${span((Math.max(0, total - bytes) / rate) * 1000)} left` : ''
  return `${barOf(bytes, total)}  ${formatSize(bytes)} of ${formatSize(total)}, ${speed}${left}`
}

/** Tells progress as often as people want it; with --json an object a second. */
export class ByteProgress {
  readonly #output: Output
  readonly #cadence: Cadence
  readonly #startedAt = performance.now()

  constructor(output: Output) {
    this.#output = output
    this.#cadence = new Cadence(output)
  }

  readonly tick = (advance: { readonly bytes: number; readonly total?: number | undefined }): void => {
    if (!this.#cadence.isDue()) return
    const { bytes, total } = advance
    const about = { bytes, total, rate: this.#rate(bytes) }
    void this.#output.status(byteText(about))
    void this.#output.event({ progress: about })
  }

  /** '2.5 s, 812 MiB/s' */
  summary(bytes: number): string {
    const seconds = (performance.now() - this.#startedAt) / 1000
    return `${seconds.toFixed(1)} s${seconds < 1 ? '' : `, ${formatSize(Math.round(this.#rate(bytes)))}/s`}`
  }

  #rate(bytes: number): number {
    return bytes / Math.max((performance.now() - this.#startedAt) / 1000, 0.001)
  }
}
