/** "Did you mean": the known name that a misspelt one is closest to. */

/** Names longer than this are not compared to the end; nobody mistypes so much. */
const COMPARED = 64

/** `max_age`, `max-age` and `maxAge` differ in spelling only. */
const fold = (name: string): string =>
  name
    .slice(0, COMPARED)
    .toLowerCase()
    .replace(/[_\-\s.]/g, '')

/**
 * The candidate nearest to `name`, or `undefined` when none is near: at most one edit for each three characters
 * (optimal string alignment: insert, delete, replace, swap neighbours). The first of equally near ones.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = fold(name)
  let best: string | undefined
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, fold(candidate))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** `did you mean "pii"?`, or an empty text when nothing is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const found = nearest(name, candidates)
  return found === undefined ? '' : `did you mean "${found}"?`
}

function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, at(beforeLast, j - 2) + 1)
      }
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return at(last, b.length)
}

const at = (row: readonly number[], index: number): number => row[index] ?? 0
