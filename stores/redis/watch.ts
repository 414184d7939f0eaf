/** Notices of changed records over a channel. Messages may be lost; then the refresh period finds the change. */
import type { RedisLink } from '../../clients/redis/link.ts'

/** Calls `changed` for changes by others, and without a keyring whenever notices may have been missed. */
export function watchChannel(
  link: RedisLink,
  channel: string,
  origin: string,
  changed: (keyring: string | undefined) => void,
): () => void {
  let isStopped = false
  const started = link.subscribe(channel, (message) => {
    if (isStopped || message?.startsWith(`${origin} `) === true) return
    changed(message?.slice(message.indexOf(' ') + 1))
  })
  started.catch(() => undefined) // a hint only
  return () => {
    isStopped = true
    started.then(
      (stop) => stop(),
      () => undefined,
    )
  }
}
