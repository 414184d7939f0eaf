/** URLs of key stores as they may be shown. */
import { MASKED } from './setting.ts'

const WITHOUT_SERVER = /^(sqlite|memory):/i
const SCHEME = /^[a-z][a-z0-9+.-]*:/i

/** `url` without user, password and query; nothing but the scheme of one that cannot be taken apart for certain. */
export function shownStoreUrl(url: string): string {
  if (WITHOUT_SERVER.test(url)) return url
  const scheme = SCHEME.exec(url)?.[0] ?? ''
  // A slash or a hash in a password makes a parser take the rest of it for a path.
  const isClear = URL.canParse(url) && !/@.*@/.test(url) && !decodedPath(url).includes('@')
  if (!isClear) return `${scheme}//${MASKED}`
  const { host, pathname, username, password } = new URL(url)
  const user = username === '' && password === '' ? '' : `${MASKED}@`
  return `${scheme}//${user}${host}${pathname}`
}

function decodedPath(url: string): string {
  const { hash, pathname } = new URL(url)
  return pathname + hash
}
