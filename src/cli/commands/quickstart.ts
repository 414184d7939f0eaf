/** `quickstart`: the main job on a real table. */
import { type Call, wrongUse } from '../call.ts'
import { quickstart } from '../quickstart/quickstart.ts'
import { packageFile } from '../version.ts'

const EXAMPLE = 'examples/customers.csv'

export async function quickstartCommand(call: Call): Promise<undefined> {
  const { args, options, output } = call
  const [search, backend] = [options.text('search'), call.global.text('backend')]
  await quickstart({
    csv: args[0] ?? packageFile(EXAMPLE),
    folder: options.text('folder') ?? '.quickstart',
    ...(backend === undefined ? {} : { backend }),
    fields: Object.fromEntries(options.list('field').map(parseField)),
    ...(search === undefined ? {} : { search }),
    onInterrupt: (undo) => call.onInterrupt(undo),
    print: {
      step: (text) => output.item({ step: text }, `\n• ${text}`),
      line: (text) => output.item({ detail: text }, `    ${text}`),
    },
  })
}

function parseField(text: string): [column: string, keyType: string] {
  const at = text.lastIndexOf('=')
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)]
  throw wrongUse(
    '--field expects a column and a key type',
    'write --field notes=pii, or --field country=plain',
  )
}
