/** A transport of pino, as an application writes one: it runs in a worker. (pino does not import TypeScript.) */
import { encryptingTransport } from '../../src/integrations/pino.ts'
import { openPlace } from '../race/support/place.ts'

export default async ({ place, ...options }) => {
  const kw = await openPlace(place)
  const transport = await encryptingTransport(kw, options)
  transport.once('close', () => kw.close())
  return transport
}
