import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { and, eq, isNull } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { attachments } from '../src/db/tables/attachment.ts';
import { openS3Store } from '../src/files/s3-store.ts';
import type { FileStore } from '../src/files/store.ts';
import { sweepFiles } from '../src/files/sweep.ts';
import { announce, put, seen, upload, whenRead } from './kit/attachment.ts';
import { type Bucket, bucketSettings, type Fault, startBucket } from './kit/bucket.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { freePort } from './kit/free-port.ts';
import { captureLog } from './kit/log.ts';
import { startTestServer } from './kit/server.ts';

/** A bucket that fails must neither lose a file that was acknowledged nor make one READY that is not whole. */

const signal = new AbortController().signal;
const bytes = randomBytes(100_000);
const nowhere = `http://127.0.0.1:${await freePort()}`;

let bucket: Bucket;
let spool: string;
let store: FileStore;

beforeEach(async () => {
  bucket = await startBucket();
  spool = await mkdtemp(join(tmpdir(), 'latchkey-spool-'));
  store = openS3Store({ ...bucket, bucket: bucket.name }, spool);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await bucket[Symbol.asyncDispose]();
});

async function* source(): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 60_000);
  yield bytes.subarray(60_000);
}

const read = async (name: string) => {
  const { length, read: open } = await store.open(name, signal);
  return Buffer.concat(await Array.fromAsync(open({ start: 0, end: length })));
};

test('a put is one request with its length and hash, signed, without trailers, and is read back', async () => {
  await store.put('att_1.1', source(), signal);
  expect(bucket.calls).toEqual(['PUT att_1.1 200', 'HEAD att_1.1 200']);
  expect((await read('att_1.1')).equals(bytes)).toBe(true);
  expect(await readdir(spool)).toEqual([]);
});

describe('a failure of the bucket', () => {
  const SLOW_DOWN: Fault = { status: 503, code: 'SlowDown' };

  test.each<[string, Fault[]]>([
    ['busy twice', [SLOW_DOWN, { status: 500, code: 'InternalError' }]],
    ['limited', [{ status: 429, code: 'TooManyRequests' }]],
  ])('a bucket that is %s is asked again', async (_title, faults) => {
    captureLog();
    bucket.faults.push(...faults);
    await store.put('att_1.1', source(), signal);
    expect((await read('att_1.1')).equals(bytes)).toBe(true);
    expect(await readdir(spool)).toEqual([]);
  });

  test.each<[string, Fault[], object]>([
    ['refuses the key', [{ status: 403, code: 'AccessDenied' }], { status: 403, code: 'AccessDenied' }],
    ['stays busy', [SLOW_DOWN, SLOW_DOWN, SLOW_DOWN], { status: 503, code: 'SlowDown' }],
    ['keeps a stump and says that all is well', ['stump'], { code: 'WRONG_LENGTH' }],
  ])('a put into a bucket that %s fails, and nothing is left', async (_title, faults, failure) => {
    const lines = captureLog();
    bucket.faults.push(...faults);
    await expect(store.put('att_1.1', source(), signal)).rejects.toMatchObject({
      name: 'BucketError',
      ...failure,
    });
    expect([...bucket.objects.keys()]).toEqual([]);
    expect(await readdir(spool)).toEqual([]);
    expect(lines.join()).not.toMatch(/secret|AKIA/i);
  });

  test('a put into a bucket that does not answer ends with its signal, and nothing is left', async () => {
    bucket.faults.push('stall');
    const abort = new AbortController();
    const stalled = store.put('att_1.1', source(), abort.signal);
    setTimeout(() => abort.abort(new Error('too late')), 200);
    await expect(stalled).rejects.toThrow('too late');
    expect(await readdir(spool)).toEqual([]);
  });

  test('bytes that are cut off on the way, or not those that were asked for, are no end of a file', async () => {
    await store.put('att_1.1', source(), signal);
    bucket.faults.push('fine', 'cut');
    await expect(read('att_1.1')).rejects.toThrow();
    bucket.faults.push('fine', 'no-range');
    await expect(read('att_1.1')).rejects.toMatchObject({ code: 'NO_RANGE' });
  });

  test('a put and a read that the bucket does not go on with end by themselves', async () => {
    captureLog();
    const impatient = openS3Store({ ...bucket, bucket: bucket.name }, spool, 100);
    bucket.faults.push('stall', 'stall', 'stall');
    await expect(impatient.put('att_1.1', source(), signal)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect([...bucket.objects.keys(), ...(await readdir(spool))]).toEqual([]);
    await impatient.put('att_1.1', source(), signal);
    bucket.faults.push('fine', 'stop');
    const { read: open } = await impatient.open('att_1.1', signal);
    const reading = Array.fromAsync(open({ start: 0, end: bytes.length }));
    await expect(reading).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('the check at the start', () => {
  test.each([
    ['the bucket', { bucket: 'another-bucket' }, /There is no bucket "another-bucket" .* LATCHKEY_S3_BUCKET/],
    [
      'the access key',
      { accessKeyId: 'AKIAOTHER' },
      /does not know the access key.* LATCHKEY_S3_ACCESS_KEY_ID_FILE/,
    ],
    [
      'the secret',
      { secretAccessKey: 'wrong' },
      /secret does not belong .* LATCHKEY_S3_SECRET_ACCESS_KEY_FILE/,
    ],
    ['the region', { region: 'us-east-1' }, /not in the region "us-east-1".* LATCHKEY_S3_REGION/],
    ['the endpoint', { endpoint: nowhere }, /cannot be reached \(ECONNREFUSED\).* LATCHKEY_S3_ENDPOINT/],
  ])('the check at the start says that %s is wrong', async (_title, wrong, sentence) => {
    captureLog();
    const access = { ...bucket, bucket: bucket.name, ...wrong };
    const failure = openS3Store(access, spool).check(signal);
    await expect(failure).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(sentence),
    });
    await expect(failure).rejects.not.toThrow(/AKIA|secret message|wrong$/);
  });
});

test('a server keeps its files in a bucket, and an upload that the bucket refuses can be repeated', async () => {
  await using server = await startTestServer(await bucketSettings(bucket));
  const ada = await server.signUp();
  const words = 'The words of a file. '.repeat(10_000);
  const { id, url } = await upload(ada, words);
  expect([...bucket.objects.keys()].sort()).toEqual([`${id}.1`, `${id}.text`]);
  expect(await (await fetch(url ?? '')).text()).toBe(words);
  const range = { range: 'bytes=65530-65545' };
  expect(await (await fetch(url ?? '', { headers: range })).text()).toBe(words.slice(65_530, 65_546));
  for (const object of bucket.objects.values()) expect(Buffer.from(object).includes('words')).toBe(false);

  captureLog();
  const { attachment, upload: request } = await announce(ada, 4);
  bucket.faults.push({ status: 403, code: 'AccessDenied' });
  expect((await put(request, Buffer.from('text'))).status).toBe(500);
  expect(await seen(ada, attachment.id)).toMatchObject({ status: 'WAITING' });
  expect((await put(request, Buffer.from('text'))).status).toBe(204);
  bucket.objects.delete(`${id}.1`);
  expect((await fetch(url ?? '')).status).toBe(500);
});

test('a file that the bucket does not give back whole is not READY, and one that it gives back later is', async () => {
  captureLog();
  // The sweep looks at all files, and those of other tests are none of its business.
  await using server = await startTestServer(await bucketSettings(bucket), {
    database: await freshDatabase(),
  });
  const { db } = server.app;
  const ada = await server.signUp();
  const words = Buffer.from('The words of a file. '.repeat(10_000));
  /** Uploads a file, which the bucket keeps, and then answers so when it is read. */
  const uploadWith = async (...faults: Fault[]): Promise<string> => {
    const { attachment, upload: request } = await announce(ada, words.length);
    bucket.faults.push('fine', 'fine', ...faults);
    expect((await put(request, words)).status).toBe(204);
    return attachment.id;
  };

  for (const faults of [[{ status: 403, code: 'AccessDenied' }], ['fine', 'cut']] satisfies Fault[][]) {
    const id = await uploadWith(...faults);
    const isGivenUp = and(eq(attachments.id, id), isNull(attachments.readingSince));
    await eventually(
      'its reading is given up',
      async () => (await db.$count(attachments, isGivenUp)) === 1,
      30_000,
    );
    expect(await seen(ada, id)).toMatchObject({ status: 'READING', refusal: null });
    await sweepFiles(server.app);
    expect(await whenRead(ada, id)).toMatchObject({ status: 'READY' });
  }

  const shortened = await uploadWith('fine', 'shorten');
  expect(await whenRead(ada, shortened)).toMatchObject({
    status: 'REFUSED',
    refusalCode: 'DAMAGED',
    url: null,
  });
  const id = await uploadWith({ status: 500, code: 'InternalError' }, { status: 500, code: 'InternalError' });
  expect(await whenRead(ada, id)).toMatchObject({ status: 'READY' });
  bucket.objects.set(`${id}.1`, bucket.objects.get(`${id}.1`)?.subarray(0, 100_000) ?? expect.unreachable());
  expect((await fetch((await seen(ada, id))?.url ?? '')).status).toBe(500);
});
