/** `init`: makes master key, key store and policy document, where they are missing. */
import type { Call } from '../call.ts'
import { make } from '../init/make.ts'
import { askedSecret, givenSecret, type RootChoice } from '../init/root-secret.ts'
import { assertNew, survey } from '../init/survey.ts'

export async function init(call: Call): Promise<undefined> {
  const given = givenSecret(call)
  const before = await survey(call, given)
  await assertNew(call, before)
  const sealsIt = before.provider.backend.usesRootSecret
  const root = await rootFor(call, given, before.master === 'missing' && sealsIt)
  const { configuration, made, kept } = await make(call, await survey(call, root), root)
  const lines = [
    ...made.map(({ what, path }) => ['made', what, path]),
    ...kept.map(({ what, path }) => ['kept', what, path]),
  ]
  const columns = [{ title: 'done' }, { title: 'what' }, { title: 'where' }]
  await call.output.result({ made, kept }, call.output.table(columns, lines))
  if (sealsIt) await sayWhatToKeep(call, root, before.provider.backend.name === 'file')
  await sayWhatIsNext(call, root, configuration.storeUrl.source !== 'default')
}

async function rootFor(call: Call, given: RootChoice | undefined, needed: boolean): Promise<RootChoice> {
  if (given !== undefined || !needed) return given ?? { kind: 'unchanged' }
  return askedSecret(call)
}

/** Master keys of ours are lost with the root secret, or with what it seals. */
async function sayWhatToKeep({ output }: Call, root: RootChoice, inFile: boolean): Promise<void> {
  if (root.kind === 'unsealed') {
    await output.warn(
      'THE MASTER KEY LIES IN CLEAR: whoever reads the key file decrypts everything',
      'for development only; a sealed one: keywright init --root-key-file root.key',
    )
  } else if (root.kind !== 'unchanged') {
    const secret = root.kind === 'file' ? `the root key in ${root.path}` : 'the root secret'
    const sealed = inFile ? 'the key file' : 'what the server holds'
    await output.note(
      `keep a copy of ${secret} and of ${sealed}, apart from each other: without both nothing can be decrypted`,
    )
  }
}

async function sayWhatIsNext({ global, output }: Call, root: RootChoice, ownStore: boolean): Promise<void> {
  const steps = [
    ...(root.kind === 'file' ? [`export ENCRYPTION_MASTER_KEY_FILE=${root.path}`] : []),
    ...(root.kind === 'password' && root.asked ? ['export ENCRYPTION_MASTER_PASSWORD=…'] : []),
    ...(ownStore && global.text('store') !== undefined
      ? [`export ENCRYPTION_KEY_STORE_URL=${global.text('store')}`]
      : []),
    ...(global.text('config') === undefined ? [] : [`export ENCRYPTION_CONFIG=${global.text('config')}`]),
    'keywright doctor',
    "echo 'ada@example.com' | keywright encrypt --key-type pii",
  ]
  await output.note(`next:\n${steps.map((step) => `  $ ${step}`).join('\n')}`)
}
