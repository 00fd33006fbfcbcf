import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newId } from '../src/db/id.ts';
import { newFileKey } from '../src/files/file-key.ts';
import { openFolderStore } from '../src/files/folder-store.ts';
import { openS3Store } from '../src/files/s3-store.ts';
import { type FileStore, MissingFileError, nameOf, namesOf } from '../src/files/store.ts';
import { openPart, storePart } from '../src/files/stored-part.ts';
import { startBucket } from './kit/bucket.ts';

const signal = new AbortController().signal;
const BOX = 64 * 1024;

interface StoreUnderTest extends AsyncDisposable {
  store: FileStore;
  /** The names of everything in it, unfinished things included. */
  contents(): Promise<string[]>;
}

async function folderStore(): Promise<StoreUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-files-'));
  return {
    store: openFolderStore(folder),
    async contents() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

async function s3Store(): Promise<StoreUnderTest> {
  const bucket = await startBucket();
  const spool = await mkdtemp(join(tmpdir(), 'latchkey-spool-'));
  return {
    store: openS3Store({ ...bucket, bucket: bucket.name }, spool),
    contents: async () => [...bucket.objects.keys(), ...(await readdir(spool))],
    async [Symbol.asyncDispose]() {
      await bucket[Symbol.asyncDispose]();
      await rm(spool, { recursive: true });
    },
  };
}

const STORES = { 'a folder': folderStore, 'a bucket': s3Store };

async function* chunksOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function* failingAfter(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
  throw new Error('the line broke');
}

async function allOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source));
}

describe.each(Object.entries(STORES))('%s', (_name, make) => {
  test('a store gives back what was put, whole and in ranges, and the last of what was put under a name', async () => {
    await using it = await make();
    const bytes = randomBytes(3 * BOX);
    const name = nameOf({ id: newId('att'), uploads: 1 }, 'file');
    await it.store.put(name, chunksOf(randomBytes(10)), signal);
    await it.store.put(name, chunksOf(bytes.subarray(0, 100), bytes.subarray(100)), signal);
    const opened = await it.store.open(name, signal);
    expect(opened.length).toBe(bytes.length);
    for (const [start, end] of [
      [0, bytes.length],
      [0, 1],
      [BOX, 2 * BOX],
      [bytes.length - 1, bytes.length],
    ] as const)
      expect((await allOf(opened.read({ start, end }))).equals(bytes.subarray(start, end))).toBe(true);
    expect(await it.contents()).toEqual([name]);
  });

  test('a source that fails leaves nothing in a store, and what was there before stays', async () => {
    await using it = await make();
    await expect(it.store.put('att_1.1', failingAfter(randomBytes(BOX)), signal)).rejects.toThrow('broke');
    expect(await it.contents()).toEqual([]);
    await it.store.put('att_1.1', chunksOf(Buffer.from('whole')), signal);
    await expect(it.store.put('att_1.1', failingAfter(randomBytes(BOX)), signal)).rejects.toThrow('broke');
    const { length, read } = await it.store.open('att_1.1', signal);
    expect((await allOf(read({ start: 0, end: length }))).toString()).toBe('whole');
    expect(await it.contents()).toEqual(['att_1.1']);
  });

  test('an upload that is aborted leaves nothing in a store', async () => {
    await using it = await make();
    const abort = new AbortController();
    async function* source() {
      yield randomBytes(BOX);
      abort.abort(new Error('too late'));
      yield randomBytes(BOX);
    }
    await expect(it.store.put('att_1.1', source(), abort.signal)).rejects.toThrow();
    expect(await it.contents()).toEqual([]);
  });

  test('a check of a store that works leaves nothing in it', async () => {
    await using it = await make();
    await it.store.check(signal);
    expect(await it.contents()).toEqual([]);
  });

  test('what is removed from a store is gone, also what was never there', async () => {
    await using it = await make();
    const stored = { id: newId('att'), uploads: 3 };
    await it.store.put(nameOf(stored, 'file'), chunksOf(Buffer.from('bytes')), signal);
    await it.store.put(nameOf(stored, 'text'), chunksOf(Buffer.from('text')), signal);
    await it.store.put('att_another.1', chunksOf(Buffer.from('other')), signal);
    await it.store.remove(namesOf(stored), signal);
    await it.store.remove(namesOf(stored), signal);
    expect(await it.contents()).toEqual(['att_another.1']);
    await expect(it.store.open(nameOf(stored, 'file'), signal)).rejects.toThrow(MissingFileError);
  });

  test('a part of an attachment opens with its key, and nothing in the store shows what is in it', async () => {
    await using it = await make();
    const words = Buffer.from('the words of a person '.repeat(20_000));
    const stored = { id: newId('att'), uploads: 1 };
    const key = newFileKey(stored.id);
    await storePart(it.store, stored, 'file', { key, bytes: chunksOf(words), signal });
    const part = await openPart(it.store, stored, 'file', { key, signal });
    expect(part.length).toBe(words.length);
    expect((await allOf(part.read())).equals(words)).toBe(true);
    const range = { start: BOX + 5, end: BOX + 27 };
    expect((await allOf(part.read(range))).equals(words.subarray(range.start, range.end))).toBe(true);
    const { length, read } = await it.store.open(nameOf(stored, 'file'), signal);
    expect((await allOf(read({ start: 0, end: length }))).includes('words')).toBe(false);
  });
});

test('a folder is closed to other users, and leftovers of uploads are cleared after a day', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-files-'));
  const store = openFolderStore(folder);
  await store.clearLeftovers();
  const id = newId('att');
  await store.put(`${id}.1`, chunksOf(Buffer.from('bytes')), signal);
  const path = join(folder, id.slice(-2), `${id}.1`);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, id.slice(-2)))).mode & 0o777).toBe(0o700);

  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: cleared, resolve: clear } = Promise.withResolvers<void>();
  async function* source() {
    begin();
    yield Buffer.from('begun');
    await cleared;
    yield Buffer.from(', and ended');
  }
  const put = store.put('att_2.1', source(), signal);
  await begun;
  const unfinished = join(folder, 'unfinished');
  const [name = ''] = await readdir(unfinished);
  await store.clearLeftovers();
  expect(await readdir(unfinished)).toEqual([name]);
  const twoDaysAgo = Date.now() / 1_000 - 48 * 3_600;
  await utimes(join(unfinished, name), twoDaysAgo, twoDaysAgo);
  await store.clearLeftovers();
  expect(await readdir(unfinished)).toEqual([]);
  clear();
  await expect(put).rejects.toThrow('ENOENT');
  await rm(folder, { recursive: true });
});
