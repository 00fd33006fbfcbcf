import { createHash, type Hash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { ConfigError } from '../read-setting.ts';
import type { ByteRange, SealedBytes } from '../vault/file-box.ts';
import { clearOldFiles, temporaryPath, writeNewFile } from './new-file.ts';
import { type BucketAccess, BucketClient, BucketError, type BucketRequest } from './s3-client.ts';
import { type FileStore, MissingFileError } from './store.ts';

/**
 * Keeps files in a bucket. What is put is first written, sealed as it is, into a folder of this server: so an upload that is cut
 * never reaches the bucket, one that the bucket refuses can be sent again, and its length and hash are known before, which spares
 * the trailers that not every service understands.
 */
export function openS3Store(
  access: BucketAccess,
  spoolFolder: string,
  answerWithinMs: number = ANSWER_WITHIN_MS,
): FileStore {
  const client = new BucketClient(access);

  async function lengthOf(name: string, signal: AbortSignal): Promise<number> {
    const response = await client.send(name, { method: 'HEAD', timeoutMs: answerWithinMs }, signal);
    if (response === null) throw new MissingFileError();
    return Number(response.headers.get('content-length'));
  }

  async function* read(name: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const headers = { range: `bytes=${range.start}-${range.end - 1}` };
    const stalled = new AbortController();
    const either = AbortSignal.any([signal, stalled.signal]);
    const response = await client.send(name, { method: 'GET', headers, timeoutMs: answerWithinMs }, either);
    if (response === null) throw new MissingFileError();
    // A service that ignores the range would send other bytes.
    if (response.status !== 206 || response.body === null) throw new BucketError(response.status, 'NO_RANGE');
    const onStall = () => stalled.abort(new BucketError(response.status, 'TIMEOUT'));
    yield* watched(response.body, { longestMs: answerWithinMs, onStall });
  }

  async function remove(name: string, signal: AbortSignal): Promise<void> {
    await client.send(name, { method: 'DELETE', timeoutMs: answerWithinMs }, signal);
  }

  async function send(name: string, path: string, hash: Hash, signal: AbortSignal): Promise<void> {
    const { size } = await stat(path);
    const request: BucketRequest = {
      method: 'PUT',
      headers: { 'content-length': String(size), 'x-amz-content-sha256': hash.digest('hex') },
      // A blob of the file would know its length, but is read into memory as fast as the disk gives it.
      body: () => streamOf(path),
      timeoutMs: answerWithinMs + size / SLOWEST_BYTES_PER_MS,
    };
    try {
      await client.send(name, request, signal);
      // Some services keep a stump of a body that was cut, and say that all is well.
      if ((await lengthOf(name, signal)) !== size) throw new BucketError(200, 'WRONG_LENGTH');
    } catch (error) {
      await remove(name, AbortSignal.timeout(answerWithinMs)).catch(() => {}); // whatever of it may be there
      throw error;
    }
  }

  const store: FileStore = {
    async put(name, bytes, signal) {
      const path = temporaryPath(spoolFolder);
      const hash = createHash('sha256');
      await writeNewFile(path, hashed(bytes, hash), signal);
      try {
        await send(name, path, hash, signal);
      } finally {
        await rm(path, { force: true });
      }
    },
    async open(name, signal): Promise<SealedBytes> {
      return { length: await lengthOf(name, signal), read: (range) => read(name, range, signal) };
    },
    async remove(names, signal) {
      for (const name of names) await remove(name, signal);
    },
    clearLeftovers: () => clearOldFiles(spoolFolder),
    check: (signal) => checkBucket(store, access, signal),
  };
  return store;
}

/** Writes, reads and removes an object, so that a wrong setting is found at the start and not by the first upload. */
async function checkBucket(store: FileStore, access: BucketAccess, signal: AbortSignal): Promise<void> {
  const name = `check-${randomBytes(8).toString('hex')}`;
  const content = randomBytes(16);
  try {
    await store.put(name, inOne(content), signal);
    const { length, read } = await store.open(name, signal);
    const found = Buffer.concat(await Array.fromAsync(read({ start: 0, end: length })));
    await store.remove([name], signal);
    if (!found.equals(content)) throw new BucketError(200, 'OTHER_BYTES');
  } catch (error) {
    if (error instanceof BucketError) throw new ConfigError(sentenceFor(error, access));
    throw error;
  }
}

/** Which setting to correct. */
function sentenceFor({ code, status }: BucketError, { endpoint, bucket, region }: BucketAccess): string {
  switch (code) {
    case 'NoSuchBucket':
      return `There is no bucket "${bucket}" at ${endpoint}. Create it, or correct LATCHKEY_S3_BUCKET.`;
    case 'InvalidAccessKeyId':
      return `${endpoint} does not know the access key. Correct the file of LATCHKEY_S3_ACCESS_KEY_ID_FILE.`;
    case 'SignatureDoesNotMatch':
      return `The secret does not belong to the access key. Correct the file of LATCHKEY_S3_SECRET_ACCESS_KEY_FILE.`;
    case 'AccessDenied':
      return `The access key may not write, read and delete objects in the bucket "${bucket}". Give it these rights.`;
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
      return `The bucket "${bucket}" is not in the region "${region}". Correct LATCHKEY_S3_REGION and LATCHKEY_S3_ENDPOINT.`;
    default:
      return status === null
        ? `${endpoint} cannot be reached (${code}). Start it, or correct LATCHKEY_S3_ENDPOINT.`
        : `The bucket "${bucket}" at ${endpoint} cannot keep files: it answered with ${status} (${code}).`;
  }
}

/** The bytes of a file, each piece of which is read when it is asked for. */
function streamOf(path: string): ReadableStream<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = createReadStream(path)[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Passes on what comes, and calls `onStall` if nothing comes for too long. The time that its reader takes does not count. */
async function* watched(
  source: AsyncIterable<Uint8Array>,
  { longestMs, onStall }: { longestMs: number; onStall: () => void },
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer = setTimeout(onStall, longestMs);
      const { done, value } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await chunks.return?.();
  }
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

async function* inOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const ANSWER_WITHIN_MS = 15_000;
const SLOWEST_BYTES_PER_MS = 256; // a server has a better line than a person
