/** The edge cases of the store contract, as tables. */
import type { KeyRecord, KeyUsage } from '../../store.ts'
import { recordOf, wrapOf } from './store-records.ts'

/** Keyrings whose order differs between UTF-8 bytes, UTF-16 code units, locales and ignoring case. */
export const ODD_KEYRINGS = [
  ...['pii', 'pii/tenant-42', 'pii-2', 'pii.x', 'pii0', 'pii_x', 'PII', 'Pii', 'piI', 'a', 'A', 'Z', 'z'],
  ...[
    '10',
    '9',
    'é',
    'e\u0301',
    'ß',
    'ss',
    '\u{1F511}',
    '\uFFFD',
    '\uE000',
    ' pii',
    'pii ',
    '%',
    "o'hare",
    '"',
    '\\',
  ],
]

/** Records at the edge of what may be stored, by what is special about them. */
export const EDGE_RECORDS = {
  'an ordinary one': recordOf({ id: 77 }),
  'the largest id and numbers': recordOf({
    id: 0xffff_ffff,
    version: 2 ** 40,
    createdAt: 0,
    activatesAt: Number.MAX_SAFE_INTEGER,
    statusAt: Number.MAX_SAFE_INTEGER,
    usage: { messages: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
    revision: 2 ** 40,
  }),
  'no wraps, destroyed': recordOf({ wraps: [], status: 'destroyed', algorithm: 'HMAC-SHA-256' }),
  'many wraps, every byte, empty texts': recordOf({
    algorithm: 'X-AES-256-GCM',
    status: 'compromised',
    wraps: [
      { ...wrapOf('azure-eu', 1), masterKeyId: 'https://v.example/keys/k?a="b"', masterKeyVersion: '' },
      { ...wrapOf('b', 2), ciphertext: Uint8Array.from({ length: 1024 }, (_, byte) => byte % 256) },
      { ...wrapOf('c', 3), ciphertext: new Uint8Array(1) },
    ],
  }),
  'text that wants escaping': recordOf({
    keyring: 'o\'hare"; DROP TABLE key_records; --\\\n\t\u{1F511}',
    statusReason: 'l\'été \u0001\u007f\u2028 "quoted"\r\n%s $1 ? {} \u{1F600}',
  }),
} as const satisfies Record<string, KeyRecord>

/** What a record may not hold. */
export const BAD_MEMBERS: readonly (readonly [member: keyof KeyRecord, value: unknown])[] = [
  ...[0, -1, 1.5, 2 ** 32, Number.NaN, '1', 1n, undefined].map((id) => ['id', id] as const),
  ...['', 'a\ud800', 'a\0b', 7, undefined].map((keyring) => ['keyring', keyring] as const),
  ...[0, 1.5, Number.POSITIVE_INFINITY, 2 ** 53].map((version) => ['version', version] as const),
  ...['AES-128-GCM', '', undefined].map((algorithm) => ['algorithm', algorithm] as const),
  ...[Number.POSITIVE_INFINITY, -1, 0.5, new Date()].map((at) => ['createdAt', at] as const),
  ...[Number.POSITIVE_INFINITY, Number.NaN, null].map((at) => ['activatesAt', at] as const),
  ...[Number.POSITIVE_INFINITY, '2024'].map((at) => ['statusAt', at] as const),
  ...['active', '', null].map((status) => ['status', status] as const),
  ...['\udc00', 'a\0', null].map((reason) => ['statusReason', reason] as const),
  ...[undefined, {}, [null], [{ ...wrapOf('x', 1), ciphertext: 'AAAA' }]].map((w) => ['wraps', w] as const),
  ['wraps', [{ ...wrapOf('x', 1), ciphertext: new Uint8Array(0) }]],
  ['wraps', [wrapOf('', 1)]],
  ...[new Uint8Array(31), new Uint8Array(33), 'x'.repeat(32)].map((bytes) => ['commitment', bytes] as const),
  ...[new Uint8Array(0), undefined].map((bytes) => ['mac', bytes] as const),
  ...[undefined, { messages: -1, bytes: 0 }, { messages: 0, bytes: 0.5 }].map((u) => ['usage', u] as const),
  ...[0, -1, 1.5].map((revision) => ['revision', revision] as const),
]

/** On a usage of 10 messages and 20 bytes. */
export const USAGE_CASES: readonly (readonly [
  add: KeyUsage,
  limit: number,
  granted: number,
  after: KeyUsage,
])[] = [
  [{ messages: 5, bytes: 7 }, 100, 5, { messages: 15, bytes: 27 }],
  [{ messages: 90, bytes: 0 }, 100, 90, { messages: 100, bytes: 20 }],
  [{ messages: 91, bytes: 3 }, 100, 90, { messages: 100, bytes: 23 }],
  [{ messages: 1, bytes: 3 }, 10, 0, { messages: 10, bytes: 23 }],
  [{ messages: 1, bytes: 3 }, 5, 0, { messages: 10, bytes: 23 }],
  [{ messages: 0, bytes: 3 }, 100, 0, { messages: 10, bytes: 23 }],
  [{ messages: 1, bytes: 0 }, 0, 0, { messages: 10, bytes: 20 }],
  [{ messages: 7, bytes: 0 }, 12.9, 2, { messages: 12, bytes: 20 }],
  [
    { messages: 2 ** 40, bytes: 2 ** 40 },
    Number.POSITIVE_INFINITY,
    2 ** 40,
    { messages: 2 ** 40 + 10, bytes: 2 ** 40 + 20 },
  ],
  [{ messages: -4, bytes: 1 }, 100, -4, { messages: 6, bytes: 21 }],
  [{ messages: -4, bytes: 0 }, 1, -4, { messages: 6, bytes: 20 }],
  [{ messages: -40, bytes: 0 }, 100, -10, { messages: 0, bytes: 20 }],
  [
    { messages: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
    Number.POSITIVE_INFINITY,
    Number.MAX_SAFE_INTEGER - 10,
    { messages: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
  ],
]
