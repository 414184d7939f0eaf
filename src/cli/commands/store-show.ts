/** `store show`. */
import type { KeyRecord, KeyStore } from '../../store.ts'
import type { Call } from '../call.ts'
import { configuration } from '../opened.ts'
import { count } from '../text.ts'

interface Contents {
  readonly keys: number
  readonly keyrings: number
  readonly destroyed: number
  readonly documents: number | undefined
}

export async function showStore(call: Call): Promise<undefined> {
  const { output } = call
  const { storeUrl } = await configuration(call)
  const { openStore } = await import('../../compose.ts')
  const store = await openStore(storeUrl.value, { readOnly: true })
  try {
    const { location, installation, schemaVersion, warnings } = await store.describe()
    const contents = await contentsOf(store)
    const { keys, keyrings, destroyed, documents } = contents
    await output.result(
      { location, installation, schemaVersion, ...contents, warnings },
      output.facts([
        ['store', location],
        ['installation', installation],
        ['schema', String(schemaVersion)],
        ['keys', `${count(keys, 'key')} of ${count(keyrings, 'keyring')}, ${destroyed} destroyed`],
        ['documents', documents === undefined ? undefined : String(documents)],
        ...warnings.map((text) => ['warning', { text, style: 'yellow' }] as const),
      ]),
    )
  } finally {
    await store.close?.()
  }
}

async function contentsOf(store: KeyStore): Promise<Contents> {
  const keyrings = new Set<string>()
  let [keys, destroyed] = [0, 0]
  let after: string | undefined
  do {
    const page = await store.list({ limit: 5000, ...(after === undefined ? {} : { after }) })
    for (const { keyring, status } of page.records as readonly KeyRecord[]) {
      keyrings.add(keyring)
      keys++
      if (status === 'destroyed') destroyed++
    }
    after = page.next
  } while (after !== undefined)
  const documents = (await store.documents?.list(''))?.length
  return { keys, keyrings: keyrings.size, destroyed, documents }
}
