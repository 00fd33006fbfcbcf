import { createInflateRaw, inflateRawSync } from 'node:zlib';
import { Refusal } from './refusal.ts';

/** A ZIP archive in memory. */
export class Zip {
  readonly #bytes: Buffer;
  readonly #entries: readonly Entry[];

  /** Reads the directory. Throws Refusal if it is broken, encrypted, or claims more than the limit. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#entries = readDirectory(this.#bytes);
    const claimedBytes = this.#entries.reduce((total, entry) => total + entry.claimedBytes, 0);
    if (claimedBytes > LARGEST_UNPACKED_BYTES) throw new Refusal('UNPACKS_TOO_LARGE');
  }

  /** The text of a small entry; empty if there is none of that name. */
  textOf(name: string): string {
    const entry = this.#entries.find((candidate) => candidate.name === name);
    if (entry === undefined) return '';
    const packed = this.#packed(entry);
    if (!entry.isDeflated) return packed.toString('utf8', 0, LARGEST_TEXT_BYTES);
    try {
      return inflateRawSync(packed, { maxOutputLength: LARGEST_TEXT_BYTES }).toString('utf8');
    } catch (error) {
      throw new Refusal(codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? 'UNPACKS_TOO_LARGE' : 'DAMAGED');
    }
  }

  /** Unpacks everything once and keeps nothing, since the directory may lie about sizes. Throws Refusal if it is more. */
  async requireAtMost(mostBytes: number): Promise<void> {
    let room = mostBytes;
    for (const entry of this.#entries) {
      const packed = this.#packed(entry);
      room -= entry.isDeflated ? await countUnpacked(packed, room) : packed.length;
      if (room < 0) throw new Refusal('UNPACKS_TOO_LARGE');
    }
  }

  #packed({ offset, packedBytes }: Entry): Buffer {
    const header = this.#bytes.subarray(offset, offset + LOCAL_HEADER_BYTES);
    if (header.length < LOCAL_HEADER_BYTES || header.readUInt32LE(0) !== LOCAL_SIGNATURE) {
      throw new Refusal('DAMAGED');
    }
    const start = offset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
    const packed = this.#bytes.subarray(start, start + packedBytes);
    if (packed.length < packedBytes) throw new Refusal('DAMAGED');
    return packed;
  }
}

/** Counts no further than there is room. */
async function countUnpacked(packed: Buffer, room: number): Promise<number> {
  const inflate = createInflateRaw({ chunkSize: 64 * 2 ** 10 });
  inflate.end(packed);
  let bytes = 0;
  for await (const chunk of inflate) {
    bytes += (chunk as Buffer).length;
    if (bytes > room) break;
  }
  return bytes;
}

/** A file in an archive. */
interface Entry {
  name: string;
  /** Position of its local header. */
  offset: number;
  packedBytes: number;
  /** What the directory says, which may be a lie. */
  claimedBytes: number;
  isDeflated: boolean;
}

function readDirectory(bytes: Buffer): Entry[] {
  const end = bytes.lastIndexOf(END_SIGNATURE);
  if (end === -1 || end + END_BYTES > bytes.length) throw new Refusal('DAMAGED');
  const count = bytes.readUInt16LE(end + 10);
  if (count > MOST_ENTRIES) throw new Refusal('UNPACKS_TOO_LARGE');
  let at = bytes.readUInt32LE(end + 16);
  return Array.from({ length: count }, () => {
    if (at + DIRECTORY_ENTRY_BYTES > end || bytes.readUInt32LE(at) !== DIRECTORY_SIGNATURE) {
      throw new Refusal('DAMAGED');
    }
    const entry = readEntry(bytes, at);
    const nameBytes = bytes.readUInt16LE(at + 28);
    const extraBytes = bytes.readUInt16LE(at + 30);
    const commentBytes = bytes.readUInt16LE(at + 32);
    at += DIRECTORY_ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
    return entry;
  });
}

function readEntry(bytes: Buffer, at: number): Entry {
  const isEncrypted = (bytes.readUInt16LE(at + 8) & 1) === 1;
  if (isEncrypted) throw new Refusal('ENCRYPTED');
  const method = bytes.readUInt16LE(at + 10);
  if (method !== STORED && method !== DEFLATED) throw new Refusal('DAMAGED');
  const nameStart = at + DIRECTORY_ENTRY_BYTES;
  return {
    name: bytes.toString('utf8', nameStart, nameStart + bytes.readUInt16LE(at + 28)),
    offset: bytes.readUInt32LE(at + 42),
    packedBytes: bytes.readUInt32LE(at + 20),
    claimedBytes: bytes.readUInt32LE(at + 24),
    isDeflated: method === DEFLATED,
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

// The format is that of PKWARE's APPNOTE. Sizes of 64 bits are not read: the field then claims 4 GiB, which is over the limit.
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const DIRECTORY_SIGNATURE = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const END_SIGNATURE = Buffer.from('PK\x05\x06', 'latin1');
const END_BYTES = 22;
const STORED = 0;
const DEFLATED = 8;

/** Mostly of pictures: of text, readers take less. */
const LARGEST_UNPACKED_BYTES = 128 * 2 ** 20;
const MOST_ENTRIES = 5_000;
const LARGEST_TEXT_BYTES = 2 ** 20;
