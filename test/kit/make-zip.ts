import { crc32, deflateRawSync } from 'node:zlib';

/** A file in an archive, and what the archive says falsely of it. */
export interface ZipEntry {
  name: string;
  data: string | Uint8Array;
  /** Unpacked size in the directory. */
  claimedBytes?: number;
  isEncrypted?: boolean;
  /** How often the directory lists it. */
  times?: number;
}

/** Makes a ZIP archive. */
export function makeZip(entries: readonly ZipEntry[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const data = Buffer.from(entry.data as Uint8Array);
    const packed = deflateRawSync(data);
    const fields = commonFields(entry, data, packed);
    const header = Buffer.concat([u32(0x04034b50), u16(20), fields, u16(name.length), u16(0)]);
    const listed = Buffer.concat([
      ...[u32(0x02014b50), u16(20), u16(20), fields, u16(name.length), u16(0), u16(0), u16(0), u16(0)],
      ...[u32(0), u32(offset), name],
    ]);
    files.push(header, name, packed);
    directory.push(...Array.from({ length: entry.times ?? 1 }, () => listed));
    offset += header.length + name.length + packed.length;
  }
  const listing = Buffer.concat(directory);
  const counts = [u16(directory.length), u16(directory.length)];
  const end = [u32(0x06054b50), u16(0), u16(0), ...counts, u32(listing.length), u32(offset), u16(0)];
  return Buffer.concat([...files, listing, ...end]);
}

/** From the flags to the unpacked size, as both headers have them. */
function commonFields(entry: ZipEntry, data: Buffer, packed: Buffer): Buffer {
  const flags = entry.isEncrypted === true ? 1 : 0;
  const sizes = [u32(packed.length), u32(entry.claimedBytes ?? data.length)];
  return Buffer.concat([u16(flags), u16(8), u32(0), u32(crc32(data)), ...sizes]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
