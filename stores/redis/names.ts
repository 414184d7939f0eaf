/**
 * The keys of a store. All begin with the namespace in braces, which is what Redis Cluster hashes: they are in one slot,
 * and one script may touch several of them.
 *
 *     {keywright}:store          hash: format, schema, installation
 *     {keywright}:key:<id>       hash: a key record, one field a member
 *     {keywright}:index          sorted set, all scores 0: keyring, NUL, version (16 digits), NUL, id
 *     {keywright}:doc:<name>     hash: revision, text
 *     {keywright}:docs           sorted set, all scores 0: names of documents
 *     {keywright}:audit          hash: seq and hash of the last audit record, prunings
 *     {keywright}:audit:lines    list: the audit log
 *     {keywright}:audit:lock     string with a time to live: token of the only writer
 *     {keywright}:changed        channel: who changed a record, and its keyring
 *
 * Members of a sorted set with equal scores are ordered by their bytes, which is the order of a listing: a NUL is less
 * than any byte of a keyring, and no keyring has one.
 */

export interface StoreNames {
  readonly store: string
  readonly index: string
  readonly docs: string
  readonly audit: string
  readonly lines: string
  readonly lock: string
  readonly channel: string
  key(id: number): string
  doc(name: string): string
}

export function storeNames(namespace: string): StoreNames {
  const start = `{${namespace}}`
  return {
    store: `${start}:store`,
    index: `${start}:index`,
    docs: `${start}:docs`,
    audit: `${start}:audit`,
    lines: `${start}:audit:lines`,
    lock: `${start}:audit:lock`,
    channel: `${start}:changed`,
    key: (id) => `${start}:key:${id}`,
    doc: (name) => `${start}:doc:${name}`,
  }
}
