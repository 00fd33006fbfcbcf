import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ByteRange,
  type FileKey,
  type FilePart,
  openBytes,
  openedLength,
  sealBytes,
  sealedLength,
} from '../src/vault/file-box.ts';
import { SealError } from '../src/vault/seal.ts';

/** Whoever can write to the file store must not be able to read a file, or to give a reader other bytes than were uploaded. */

const KEY: FileKey = { attachmentId: 'att_one', secret: randomBytes(32) };
const BOX = 64 * 1024;
const SEALED_BOX = BOX + 16;
const SALT = 32;

async function* inChunks(bytes: Uint8Array, ...sizes: number[]): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (let index = 0; offset < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? bytes.length;
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

async function seal(bytes: Uint8Array, part: FilePart = 'file', ...sizes: number[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(sealBytes(KEY, part, inChunks(bytes, ...sizes))));
}

async function open(
  sealed: Uint8Array,
  range: ByteRange = { start: 0, end: openedLength(sealed.length) },
  key: FileKey = KEY,
  part: FilePart = 'file',
): Promise<Buffer> {
  const read = ({ start, end }: ByteRange) => inChunks(sealed.subarray(start, end), 10_000, 1, 70_000);
  return Buffer.concat(await Array.fromAsync(openBytes(key, part, { length: sealed.length, read }, range)));
}

const refused = { name: 'SealError', type: 'tampered' };

test.each([0, 1, BOX - 1, BOX, BOX + 1, 3 * BOX, 3 * BOX + 5])(
  'a file of %i bytes opens as what was sealed, whole and in any range, however its bytes arrived',
  async (length) => {
    const bytes = randomBytes(length);
    const sealed = await seal(bytes, 'file', 1, 100_000, 7);
    expect(sealed.length).toBe(sealedLength(length));
    expect(openedLength(sealed.length)).toBe(length);
    expect((await open(sealed)).equals(bytes)).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.nat(length), fc.nat(length), async (one, other) => {
        const range = { start: Math.min(one, other), end: Math.max(one, other) };
        expect((await open(sealed, range)).equals(bytes.subarray(range.start, range.end))).toBe(true);
      }),
      { numRuns: 20 },
    );
  },
);

test('the same bytes sealed twice have nothing in common', async () => {
  const bytes = randomBytes(1_000);
  const [one, other] = [await seal(bytes), await seal(bytes)];
  expect(one.equals(other)).toBe(false);
  expect(one.subarray(SALT, SALT + 16).equals(other.subarray(SALT, SALT + 16))).toBe(false);
});

test('a file does not open with another key, for another attachment or as another part', async () => {
  const sealed = await seal(randomBytes(100));
  const range = { start: 0, end: 100 };
  await expect(open(sealed, range, { ...KEY, secret: randomBytes(32) })).rejects.toMatchObject(refused);
  await expect(open(sealed, range, { ...KEY, attachmentId: 'att_two' })).rejects.toMatchObject(refused);
  await expect(open(sealed, range, KEY, 'text')).rejects.toMatchObject(refused);
});

test('no bit of a sealed file can be changed', async () => {
  const bytes = randomBytes(BOX + 50);
  const sealed = await seal(bytes);
  await fc.assert(
    fc.asyncProperty(fc.nat(sealed.length * 8 - 1), async (bit) => {
      const changed = Buffer.from(sealed);
      const at = bit >> 3;
      changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
      await expect(open(changed)).rejects.toMatchObject(refused);
    }),
    { numRuns: 60 },
  );
});

test('a sealed file that was cut, lengthened or put together in another order does not open', async () => {
  const sealed = await seal(randomBytes(3 * BOX + 100));
  const salt = sealed.subarray(0, SALT);
  const boxes = [0, 1, 2, 3].map((index) =>
    sealed.subarray(SALT + index * SEALED_BOX, SALT + (index + 1) * SEALED_BOX),
  );
  const [first, second, third, last] = boxes as [Buffer, Buffer, Buffer, Buffer];
  const forged = [
    [first, second, third],
    [first, second, last],
    [second, first, third, last],
    [first, first, third, last],
    [first, second, third, last, last],
    [last],
    [],
    [first, second, third, last.subarray(0, -1)],
  ];
  for (const parts of forged) {
    const whole = Buffer.concat([salt, ...parts]);
    const attempt = async () => await open(whole);
    await expect(attempt()).rejects.toMatchObject(refused);
  }
  for (const length of [0, 1, SALT, SALT + 15]) expect(() => openedLength(length)).toThrow(SealError);
});

test('a store that gives fewer bytes than it said does not make a shorter file of it', async () => {
  const sealed = await seal(randomBytes(3 * BOX));
  for (const missing of [1, SEALED_BOX, 2 * SEALED_BOX]) {
    const read = ({ start, end }: ByteRange) =>
      inChunks(sealed.subarray(start, Math.min(end, sealed.length - missing)), BOX);
    const opening = Array.fromAsync(
      openBytes(KEY, 'file', { length: sealed.length, read }, { start: 0, end: 3 * BOX }),
    );
    await expect(opening).rejects.toMatchObject(refused);
  }
});
