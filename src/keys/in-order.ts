/** Slow work on many items, several at a time. */

/** Work on so many keys at once when nobody says how many. */
export const DEFAULT_CONCURRENCY = 4

/**
 * Runs `work` on every item, at most `limit` at a time, and yields the results in the order of the items. The first
 * failure ends it once what is under way has come to its end: nothing goes on behind the caller's back.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = []
  try {
    for await (const item of items) {
      const result = work(item)
      result.catch(() => undefined) // thrown when it is its turn
      running.push(result)
      if (running.length >= limit) yield await (running.shift() as Promise<R>)
    }
    while (running.length > 0) yield await (running.shift() as Promise<R>)
  } finally {
    await Promise.allSettled(running)
  }
}
