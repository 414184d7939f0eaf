/** Credentials stay out of documents: they are shown, printed and kept in version control. */

/** Whether a URL holds a password, as user information or as a parameter. */
export function hasPassword(url: string): boolean {
  return /^[^/]*\/\/[^/?#@]*:[^@]*@/.test(url) || /[?&][^=&]*password=/i.test(url)
}
