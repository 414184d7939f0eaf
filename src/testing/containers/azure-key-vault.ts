/** Lowkey Vault in a container. Its certificate is made for localhost, so it is asked for and trusted by itself. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { KeywrightError } from '../../errors.ts'
import type { Emulator, EmulatorMasterKey, EmulatorOptions } from '../emulator.ts'
import { scratchFolder } from '../native/process.ts'
import { startContainer } from './container.ts'

const PORT = 8443
const CERTIFICATE_MS = 5000
/** Lowkey Vault allows wrapping only to keys that may encrypt as well. */
const OPERATIONS = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']

export async function azureKeyVaultContainer(options: EmulatorOptions): Promise<Emulator> {
  const plan = {
    ports: [PORT],
    environment: { LOWKEY_ARGS: `--server.port=${PORT} --LOWKEY_VAULT_RELAXED_PORTS=true` },
    ready: { log: /Started LowkeyVaultApp/ },
  } as const
  const container = await startContainer('azure-key-vault', plan, options)
  const folder = await scratchFolder('lowkey-vault')
  const stop = async (): Promise<void> => {
    await container.stop()
    await folder.remove()
  }
  try {
    const caCert = join(folder.path, 'ca.pem')
    const certificate = await certificateOf(container.port(PORT))
    await writeFile(caCert, certificate)
    const endpoint = `https://localhost:${container.port(PORT)}`
    const createMasterKey = keyMaker(endpoint, caCert, certificate)
    const { env } = await createMasterKey()
    return {
      name: 'azure-key-vault',
      kind: 'container',
      server: container.image,
      endpoint,
      env,
      createMasterKey,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function keyMaker(
  endpoint: string,
  caCert: string,
  certificate: string,
): (name?: string) => Promise<EmulatorMasterKey> {
  return async (name = `key-${randomBytes(4).toString('hex')}`) => {
    const { KeyClient } = await import('@azure/keyvault-keys')
    const credential = {
      getToken: async () => ({ token: 'keywright-emulator', expiresOnTimestamp: Date.now() + 3_600_000 }),
    }
    const client = new KeyClient(endpoint, credential, {
      disableChallengeResourceVerification: true,
      tlsOptions: { ca: certificate },
    })
    await client.createRsaKey(name, { keySize: 2048, keyOps: OPERATIONS })
    const env = {
      ENCRYPTION_KEY_STORAGE_BACKEND: 'azure_kv',
      ENCRYPTION_AZURE_VAULT_URL: endpoint,
      ENCRYPTION_AZURE_EMULATOR: 'true',
      ENCRYPTION_AZURE_CACERT: caCert,
      ENCRYPTION_KEY_ID: name,
    }
    return { keyId: name, env }
  }
}

/** The certificate that a server on this machine shows, in PEM. */
function certificateOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, timeout: CERTIFICATE_MS })
    const fail = (): void => {
      socket.destroy()
      reject(
        new KeywrightError('ERR_EMULATOR_UNAVAILABLE', 'Lowkey Vault shows no certificate', {
          hint: 'look at the log of its container',
        }),
      )
    }
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerX509Certificate() ?? {}
      if (raw === undefined) return fail()
      socket.destroy()
      const lines = raw.toString('base64').replace(/(.{64})/g, '$1\n')
      resolve(`-----BEGIN CERTIFICATE-----\n${lines.trimEnd()}\n-----END CERTIFICATE-----\n`)
    })
    socket.once('error', fail)
    socket.once('timeout', fail)
  })
}
