/** The fake itself: that it is as strict as the service, and the fault switch that all fakes share. */
import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { describe, expect, it } from 'vitest'
import { azureKeyVaultFake } from '../../src/testing/fakes/azure-key-vault.ts'
import { FAULTS, Faults } from '../../src/testing/fakes/faults.ts'
import { skip, startBench } from './azure-key-vault/kit.ts'

describe.skipIf(skip)('the wire fake of Azure Key Vault', async () => {
  const { fake } = await startBench()
  const ca = await readFile(fake.caCert)
  const { id } = fake.vault.find('keywright-master')
  const version = `/keys/keywright-master/${id}`
  const api = '?api-version=7.6'

  interface Answer {
    readonly status: number
    readonly challenge: string | undefined
    readonly body: { error?: { code: string; innererror?: { code: string } }; value?: string }
  }
  const send = (
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const authorization = 'Bearer keywright-emulator'
      const sent = {
        authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      }
      const call = request(`${fake.endpoint}${path}`, { method, ca, headers: sent }, async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk as Buffer)
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: response.statusCode ?? 0,
          challenge: response.headers['www-authenticate'],
          body: text === '' ? {} : JSON.parse(text),
        })
      })
      call.once('error', reject)
      call.end(body)
    })
  const wrap = (alg: string, value: string) => JSON.stringify({ alg, value })

  it('asks for a token, with the address where to get it', async () => {
    const challenge = /^Bearer authorization="https:\/\/\S+", resource="https:\/\/vault\.azure\.net"/
    for (const authorization of ['', 'Basic dTpw', 'Bearer nobody-gave-it']) {
      const answer = await send('GET', `${version}${api}`, undefined, { authorization })
      expect(answer).toMatchObject({ status: 401, body: { error: { code: 'Unauthorized' } } })
      expect(answer.challenge).toMatch(challenge)
    }
  })

  it.each([
    ['no api-version', 'GET', version, undefined, 400, 'BadParameter'],
    ['an unknown api-version', 'GET', `${version}?api-version=1.0`, undefined, 400, 'BadParameter'],
    ['an operation that is not there', 'POST', `${version}/sign${api}`, '{}', 400, 'BadParameter'],
    [
      'an empty version',
      'POST',
      `/keys/keywright-master//wrapkey${api}`,
      wrap('RSA-OAEP-256', 'AAAA'),
      400,
      'BadParameter',
    ],
    ['no JSON', 'POST', `${version}/wrapkey${api}`, 'alg=1', 400, 'BadParameter'],
    ['a list', 'POST', `${version}/wrapkey${api}`, '[]', 400, 'BadParameter'],
    ['no value', 'POST', `${version}/wrapkey${api}`, '{"alg":"RSA-OAEP-256"}', 400, 'BadParameter'],
    [
      'base64 with padding',
      'POST',
      `${version}/wrapkey${api}`,
      wrap('RSA-OAEP-256', 'AA=='),
      400,
      'BadParameter',
    ],
    [
      'an algorithm of other keys',
      'POST',
      `${version}/wrapkey${api}`,
      wrap('A256KW', 'AAAA'),
      400,
      'BadParameter',
    ],
    [
      '191 bytes',
      'POST',
      `${version}/wrapkey${api}`,
      wrap('RSA-OAEP-256', 'A'.repeat(255)),
      400,
      'BadParameter',
    ],
    ['an unknown key', 'GET', `/keys/nobody${api}`, undefined, 404, 'KeyNotFound'],
    [
      'an unknown version',
      'GET',
      `/keys/keywright-master/${'0'.repeat(32)}${api}`,
      undefined,
      404,
      'KeyNotFound',
    ],
    [
      'a key that was not deleted',
      'GET',
      `/deletedkeys/keywright-master${api}`,
      undefined,
      404,
      'KeyNotFound',
    ],
    [
      'an AES key outside of Managed HSM',
      'POST',
      `/keys/new/create${api}`,
      '{"kty":"oct-HSM"}',
      400,
      'BadParameter',
    ],
    [
      'an RSA key of 1024 bits',
      'POST',
      `/keys/new/create${api}`,
      '{"kty":"RSA","key_size":1024}',
      400,
      'BadParameter',
    ],
  ] as const)('refuses %s', async (_, method, path, body, status, code) => {
    expect(await send(method, path, body)).toMatchObject({ status, body: { error: { code } } })
  })

  it('refuses a body that does not say that it is JSON', async () => {
    const body = wrap('RSA-OAEP-256', 'AAAA')
    const answer = await send('POST', `${version}/wrapkey${api}`, body, { 'content-type': 'text/plain' })
    expect(answer.status).toBe(400)
    expect((await send('POST', `${version}/wrapkey${api}`, body)).status).toBe(200)
  })

  it('changes, lists, deletes, recovers and purges keys by request', async () => {
    await fake.vault.add('managed')
    const { id: first } = fake.vault.find('managed')
    const disable = JSON.stringify({ attributes: { enabled: false, exp: 1, nbf: 1 } })
    expect((await send('PATCH', `/keys/managed/${first}${api}`, disable)).status).toBe(200)
    expect(fake.vault.find('managed').attributes).toEqual({ enabled: false, exp: 1, nbf: 1 })
    const refused = await send('POST', `/keys/managed/${first}/wrapkey${api}`, wrap('RSA-OAEP-256', 'AAAA'))
    expect(refused).toMatchObject({ status: 403, body: { error: { innererror: { code: 'KeyDisabled' } } } })
    expect((await send('GET', `/keys/managed/versions${api}`)).body.value).toHaveLength(1)
    expect((await send('DELETE', `/keys/managed${api}`)).status).toBe(200)
    const create = await send('POST', `/keys/managed/create${api}`, '{"kty":"RSA"}')
    const inner = { innererror: { code: 'ObjectIsDeletedButRecoverable' } }
    expect(create).toMatchObject({ status: 409, body: { error: inner } })
    expect((await send('POST', `/deletedkeys/managed/recover${api}`)).status).toBe(200)
    expect((await send('DELETE', `/keys/managed${api}`)).status).toBe(200)
    expect((await send('DELETE', `/deletedkeys/managed${api}`)).status).toBe(204)
    expect((await send('GET', `/deletedkeys/managed${api}`)).status).toBe(404)
  })

  it('is installed, makes named keys, and stops twice', async () => {
    expect(await azureKeyVaultFake.install()).toBeUndefined()
    const other = await azureKeyVaultFake.start({})
    const { env, keyId } = await other.createMasterKey('named')
    expect([keyId, env['ENCRYPTION_KEY_ID']]).toEqual(['named', 'named'])
    expect(other.env['ENCRYPTION_KEY_ID']).toBe('keywright-master')
    await other.stop()
    await other.stop()
    await expect(readFile(String(other.env['ENCRYPTION_AZURE_CACERT']))).rejects.toThrow('ENOENT')
  })
})

describe('Faults', () => {
  const take = (faults: Faults, ...operations: string[]) =>
    operations.map((operation) => faults.take(operation))

  it.each(FAULTS)('%s is used up by one call', (fault) => {
    const faults = new Faults()
    faults.inject(fault)
    expect(take(faults, 'a', 'a')).toEqual([fault, undefined])
  })

  it('lasts for so many calls, begins after some, and is for one operation', () => {
    const faults = new Faults()
    faults.inject('throttle', { calls: 2, after: 1, operation: 'wrap' })
    expect(faults.pending).toBe(2)
    expect(take(faults, 'wrap', 'unwrap', 'wrap', 'wrap', 'wrap')).toEqual([
      undefined,
      undefined,
      'throttle',
      'throttle',
      undefined,
    ])
    expect(faults.pending).toBe(0)
  })

  it('is a queue: the first that fits a call is taken', () => {
    const faults = new Faults()
    faults.inject('hang', { operation: 'wrap' })
    faults.inject('reset')
    faults.inject('unavailable')
    expect(take(faults, 'unwrap', 'wrap', 'wrap', 'wrap')).toEqual([
      'reset',
      'hang',
      'unavailable',
      undefined,
    ])
  })

  it('can last until it is cleared', () => {
    const faults = new Faults()
    faults.inject('hang', { calls: Number.POSITIVE_INFINITY })
    expect(take(faults, 'a', 'b')).toEqual(['hang', 'hang'])
    faults.clear()
    expect(faults.take('a')).toBeUndefined()
  })

  it.each([{ calls: 0 }, { calls: Number.NaN }, { after: -1 }])('refuses %o', (options) => {
    expect(() => new Faults().inject('hang', options)).toThrow(RangeError)
  })
})
