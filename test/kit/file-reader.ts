import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { ProcessLimits } from '../../src/files/reading/process-watch.ts';
import { type ReadResult, readFile } from '../../src/files/reading/read-file.ts';
import type { ReaderProgram } from '../../src/files/reading/reader-process.ts';
import { ReadingQueue } from '../../src/files/reading/reading-queue.ts';
import { eventually } from './eventually.ts';

/** How a test has a file read. */
export interface ReadOptions {
  readingQueue?: ReadingQueue;
  userId?: string;
  limits?: Partial<ProcessLimits>;
  /** Another child process than one that reads files: in `fixtures/readers`, with native code or without. */
  program?: 'misbehaving' | 'stumbling' | 'curious' | 'curious-native';
  sizeBytes?: number;
  signal?: AbortSignal;
}

/** Reads a file in a child process, as the server does. */
export async function read(
  bytes: string | Uint8Array | AsyncIterable<Uint8Array>,
  fileName = 'file',
  options: ReadOptions = {},
): Promise<ReadResult> {
  const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  const sizeBytes = options.sizeBytes ?? (content instanceof Uint8Array ? content.length : 0);
  const deps = {
    readingQueue: options.readingQueue ?? openQueue(),
    readerLimits: { ...LIMITS, ...options.limits },
    ...(options.program !== undefined && { readerProgram: programOf(options.program) }),
  };
  const source = {
    bytes: content instanceof Uint8Array ? inPieces(content) : content,
    sizeBytes,
    fileName,
    userId: options.userId ?? 'usr_a',
  };
  return await readFile(deps, source, options.signal ?? AbortSignal.timeout(120_000));
}

/** A queue that is closed with the test. */
export function openQueue(): ReadingQueue {
  const queue = new ReadingQueue();
  opened.push(queue);
  return queue;
}

/** Ids of the child processes of this one that read files now. */
export function readers(): number[] {
  const threads = readdirSync('/proc/self/task');
  const ids = threads.flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'latin1').split(' '),
  );
  return ids.filter((id) => id.trim() !== '' && isReader(id)).map(Number);
}

/** Resolves with the id of the child process once so many are reading. */
export async function untilReading(count = 1): Promise<number[]> {
  return await eventually(`${count} readers`, () => readers().length === count && readers(), 60_000);
}

/** Bytes as they come from a store: not all at once. */
export async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

const opened: ReadingQueue[] = [];

afterEach(async () => {
  for (const queue of opened.splice(0)) await queue.close();
});

function isReader(id: string): boolean {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'latin1').includes('--permission');
  } catch {
    return false; // it has ended
  }
}

/** A child process in `fixtures/readers` in the place of the one that reads files. */
export function programOf(name: NonNullable<ReadOptions['program']>): ReaderProgram {
  const file = name.replace('-native', '');
  const path = fileURLToPath(new URL(`../fixtures/readers/${file}.ts`, import.meta.url));
  return { path, mayLoadNative: name.endsWith('-native') };
}

/** Machines that run tests are busy: what takes two minutes there takes seconds elsewhere. */
const LIMITS: ProcessLimits = { memoryBytes: 512 * 2 ** 20, cpuMs: 20_000, wallMs: 120_000 };
const PIECE_BYTES = 60_000;
