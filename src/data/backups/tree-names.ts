/** Which names may stand in an archive: nothing in a backup may be written outside of the folder it is restored to. */
import { sep } from 'node:path'

/** Whether `name` ('a/b/c') is a plain relative path below the folder. */
export function isInnerName(name: string): boolean {
  if (name.includes('\0') || (sep !== '/' && /[\\:]/.test(name))) return false
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

/**
 * Whether a link at `name` stays in the folder. '..' is taken at the beginning of the target only: there it counts real
 * folders; behind another name it would be about what that name, a link too perhaps, leads to.
 */
export function staysInside(name: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false
  if (sep !== '/' && /[\\:]/.test(target)) return false
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  const up = parts.findIndex((part) => part !== '..')
  const rises = up < 0 ? parts.length : up
  const depth = name.split('/').length - 1
  return rises <= depth && !parts.slice(rises).includes('..')
}
