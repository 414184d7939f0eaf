/** What the library encrypts, Tink for Python reads with the exported keyset, and the other way round. */
import { afterAll, describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../src/crypto/canonical.ts'
import { parseCiphertext } from '../../src/crypto/ciphertext.ts'
import { Workplace } from '../e2e/cli-kit.ts'
import { policyWith, World } from '../kit/world.ts'
import { openTinkPeer, TinkPeerError } from './tink-peer.ts'

const tink = await openTinkPeer()
const POLICY = policyWith({ vault: { algorithm: 'X-AES-256-GCM' } })
const PLAINTEXTS = ['', '000-00-0000', 'Łódź 🔑'.repeat(500)]

/** Associated data as the format documents it, written by hand. */
const aadOf = (text: string): Buffer => Buffer.from(text, 'utf8')

if ('missing' in tink) {
  it('Tink for Python', (context) => context.skip(tink.missing))
} else {
  const world = new World({ policy: POLICY })
  const kw = world.open()
  afterAll(async () => {
    await world.end()
    await tink.close()
  })
  const clearKeyset = async (keyType: string) => (await kw.exportKeyset(keyType, { clear: true })).toString()

  describe.each(['pii', 'vault'])('%s', (keyType) => {
    const aad = aadOf(`{"keyring":"${keyType}"}`)

    it('values: Tink decrypts ours', async () => {
      for (const plaintext of PLAINTEXTS) {
        const sealed = await kw.encrypt(keyType, plaintext)
        const keyset = await clearKeyset(keyType)
        expect((await tink.decrypt(keyset, parseCiphertext(sealed), aad)).toString()).toBe(plaintext)
        await expect(tink.decrypt(keyset, parseCiphertext(sealed), aadOf('{}'))).rejects.toThrow(
          TinkPeerError,
        )
      }
    })

    it("values: we decrypt Tink's", async () => {
      await kw.encrypt(keyType, 'x')
      const keyset = await clearKeyset(keyType)
      for (const plaintext of PLAINTEXTS) {
        const wire = await tink.encrypt(keyset, Buffer.from(plaintext), aad)
        expect(await kw.decrypt(wire)).toBe(plaintext)
        expect(await kw.decrypt(`kw1.${wire.toString('base64url')}`, { keyType })).toBe(plaintext)
      }
    })

    it('fields, with row and further context, in both directions', async () => {
      const field = kw.field(keyType, { table: 'users', column: 'ssn', context: { region: 'eu"1' } })
      const sealed = await field.encrypt('000-00-0000', { row: '42' })
      const keyset = await clearKeyset(keyType)
      const place = aadOf(
        `{"column":"ssn","keyring":"${keyType}","region":"eu\\"1","row":"42","table":"users"}`,
      )
      expect((await tink.decrypt(keyset, parseCiphertext(sealed), place)).toString()).toBe('000-00-0000')
      const wire = await tink.encrypt(keyset, Buffer.from('111-11-1111'), place)
      expect(await field.decrypt(wire, { row: '42' })).toBe('111-11-1111')
    })

    it('through a rotation: one keyset reads old and new, and Tink writes with the active key', async () => {
      const old = await kw.encrypt(keyType, 'old')
      await kw.keys.rotate(keyType, { force: true, now: true })
      const fresh = await kw.encrypt(keyType, 'new')
      const keyset = await clearKeyset(keyType)
      expect((await tink.decrypt(keyset, parseCiphertext(old), aad)).toString()).toBe('old')
      expect((await tink.decrypt(keyset, parseCiphertext(fresh), aad)).toString()).toBe('new')
      const wire = await tink.encrypt(keyset, Buffer.from('x'), aad)
      expect(wire.readUInt32BE(1)).toBe((await kw.keys.active(keyType))?.id)
    })

    it('a keyset that Tink made is taken over', async () => {
      const template = keyType === 'pii' ? 'AES256_GCM' : 'X_AES_256_GCM'
      const keyset = await tink.generate(template)
      const tenantAad = aadOf(`{"keyring":"${keyType}/made-by-tink"}`)
      const wire = await tink.encrypt(keyset, Buffer.from('from Tink'), tenantAad)
      await kw.importKeyset(keyType, Buffer.from(keyset), { tenant: 'made-by-tink' })
      expect(await kw.decrypt(wire)).toBe('from Tink')
      const back = await kw.encrypt(keyType, 'to Tink', { tenant: 'made-by-tink' })
      expect((await tink.decrypt(keyset, parseCiphertext(back), tenantAad)).toString()).toBe('to Tink')
    })
  })

  it('what the command line encrypted, with the keyset that it exported', async () => {
    const place = new Workplace()
    try {
      await place.init()
      const sealed = await place.encrypt('ada@example.org\n', '--field', 'users.email', '--row', '42')
      const { out, err, code } = await place.keywright(['keyset', 'export', 'pii', '--clear', '--yes'])
      expect(code, err).toBe(0)
      const aad = aadOf('{"column":"email","keyring":"pii","row":"42","table":"users"}')
      expect((await tink.decrypt(out, parseCiphertext(sealed), aad)).toString()).toBe('ada@example.org')
    } finally {
      place.leave()
    }
  })

  it('typed values are the text that the format says', async () => {
    const keyset = async () => clearKeyset('pii')
    const cases = [
      [{ as: 'number', value: -0.5 }, '-0.5'],
      [{ as: 'bigint', value: 2n ** 70n }, '1180591620717411303424'],
      [{ as: 'boolean', value: true }, 'true'],
      [{ as: 'date', value: new Date(0) }, '1970-01-01T00:00:00.000Z'],
      [{ as: 'json', value: { a: [1, null] } }, '{"a":[1,null]}'],
    ] as const
    for (const [{ as, value }, text] of cases) {
      const sealed = await kw.field('pii', { as }).encrypt(value as never)
      const opened = await tink.decrypt(await keyset(), parseCiphertext(sealed), aadOf('{"keyring":"pii"}'))
      expect(opened.toString()).toBe(text)
    }
  })

  it('fields of records, declared or not', async () => {
    const record = { id: '7', contact: { email: 'a@b.example' }, income: 42 }
    const sealed = await kw.encryptRecord(record, { table: 'users', row: 'id' })
    const open = async (keyType: string, text: unknown, aad: string) =>
      (await tink.decrypt(await clearKeyset(keyType), parseCiphertext(text as string), aadOf(aad))).toString()
    expect(
      await open(
        'pii',
        sealed.contact.email,
        '{"column":"contact.email","keyring":"pii","row":"7","table":"users"}',
      ),
    ).toBe('a@b.example')
    expect(
      await open(
        'financial_data',
        sealed.income,
        '{"as":"json","column":"income","keyring":"financial_data","row":"7","table":"users"}',
      ),
    ).toBe('42')
  })

  it("search tokens are the output of Tink's HmacPrf", async () => {
    for (const [value, normalised] of [
      [' Ann@B.Example ', 'ann@b.example'],
      ['', ''],
    ] as const) {
      const token = await kw.hash('users.email', value, { normaliser: 'email' })
      const input = aadOf(
        `{"field":"users.email","keyring":"blind_index","normaliser":"email","value":"${normalised}"}`,
      )
      expect(input).toEqual(
        canonicalBytes({
          field: 'users.email',
          keyring: 'blind_index',
          normaliser: 'email',
          value: normalised,
        }),
      )
      const prf = await tink.prf(await clearKeyset('blind_index'), input, 32)
      expect(Buffer.from(token.slice('kwi1.'.length), 'base64url').subarray(4)).toEqual(prf)
    }
  })

  it('a keyset with a search key that Tink made gives the tokens Tink computes', async () => {
    const keyset = await tink.generate('HMAC_SHA256_PRF')
    await kw.importKeyset('blind_index', Buffer.from(keyset), { tenant: 't' })
    const token = await kw.hash('users.email', 'x', { tenant: 't' })
    const input = aadOf('{"field":"users.email","keyring":"blind_index/t","normaliser":"exact","value":"x"}')
    const prf = await tink.prf(keyset, input, 32)
    expect(Buffer.from(token.slice(5), 'base64url').subarray(4)).toEqual(prf)
  })
}
