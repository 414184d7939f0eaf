/** The ranges of a re-encryption: about equal parts of each place, cut where its source says. */

import type { FlowData, PlannedRange } from './messages.ts'
import type { OpenPlaces } from './places.ts'

/** A place is cut into so many ranges at most. */
const MOST_RANGES = 10_000
/** Of a place that cannot tell how many rows it has. */
const UNKNOWN_RANGES = 16

/** Plans all places of a flow. Throws what opening and describing the sources throws. */
export async function planRanges(
  places: OpenPlaces,
  { places: names, rangeRows, task }: FlowData,
): Promise<PlannedRange[]> {
  const plan: PlannedRange[] = []
  for (const place of names) {
    const source = await places.source(place, task)
    const { digest } = places.task(place, task)
    const { rows } = await source.describe()
    const parts = rows === undefined ? UNKNOWN_RANGES : Math.ceil(rows / rangeRows)
    const wanted = Math.min(MOST_RANGES, Math.max(1, parts))
    const cuts = wanted === 1 ? [] : ((await source.split?.(wanted)) ?? [])
    for (let at = 0; at <= cuts.length; at++) {
      const [after, until] = [cuts[at - 1], cuts[at]]
      plan.push({
        place,
        number: plan.length,
        digest,
        ...(after === undefined ? {} : { after }),
        ...(until === undefined ? {} : { until }),
      })
    }
  }
  return plan
}
