/** zstd (RFC 8878) as Node has it: from 22.15 and 23.8 on. */
import * as zlib from 'node:zlib'
import { KeywrightError } from '../../errors.ts'
import { damaged } from './failures.ts'
import type { BackupCompression } from './manifest.ts'
import { through } from './through.ts'

/** Throws ERR_DEPENDENCY_MISSING where this Node has no zstd. */
export function assertCompression(compression: BackupCompression): void {
  if (compression === 'none' || 'createZstdCompress' in zlib) return
  throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'this Node has no zstd', {
    hint: 'use Node 22.15, 24 or newer, or make backups without --zstd',
  })
}

/** The content as it is stored. */
export function compress(
  content: AsyncIterable<Uint8Array>,
  compression: BackupCompression,
): AsyncIterable<Uint8Array> {
  return compression === 'none' ? content : through(content, zlib.createZstdCompress())
}

/** The reverse. Throws ERR_BACKUP_DAMAGED for what is no zstd. */
export async function* decompress(
  stored: AsyncIterable<Uint8Array>,
  compression: BackupCompression,
): AsyncGenerator<Uint8Array> {
  if (compression === 'none') {
    yield* stored
    return
  }
  try {
    yield* through(stored, zlib.createZstdDecompress())
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw code.startsWith('ZSTD_') || code.startsWith('Z_') ? damaged('its content is no zstd') : error
  }
}
