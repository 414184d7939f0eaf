/** The ACL rules of docs/stores/redis.md, read from there. */
import { readFileSync } from 'node:fs'

const GUIDE = new URL('../../docs/stores/redis.md', import.meta.url)

/** The rules after the password, for a namespace. */
export function leastPrivilege(namespace: string): string[] {
  const line = /^ACL SETUSER keywright on '><password>' (.*)$/m.exec(readFileSync(GUIDE, 'utf8'))?.[1] ?? ''
  return line.replaceAll("'", '').replaceAll('keywright', namespace).split(' ')
}
