/** `node --import loaded-files.mjs …`: prints the URLs of all modules that were loaded, as JSON, at the end. */
import { registerHooks } from 'node:module'

const urls = new Set()
registerHooks({
  load(url, context, next) {
    urls.add(url)
    return next(url, context)
  },
})
process.once('exit', () => process.stdout.write(JSON.stringify([...urls])))
