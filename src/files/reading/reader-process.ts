import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { addAbortListener } from 'node:events';
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { log } from '../../log.ts';
import type { FileContent } from './file-content.ts';
import { LARGEST_REPLY_BYTES, parseReply } from './parse-reply.ts';
import { type Excess, type ProcessLimits, ProcessWatch } from './process-watch.ts';
import { ReadingFailedError } from './reading-failed.ts';
import type { Reply } from './reply.ts';

/** A program that reads one file in a child process. */
export interface ReaderProgram {
  path: string;
  /**
   * Whether it may load native code, which can open files and sockets without asking Node. What decodes pictures is native; all
   * other formats are read by JavaScript, and by no more than that.
   */
  mayLoadNative: boolean;
}

/**
 * Has a file read by a child process with no environment, no network and no files but its code. If the file makes it use too much
 * or crash, the file is refused as too complex. Throws the signal's reason, what the source throws, and ReadingFailedError for
 * whatever is not the fault of the file.
 *
 * A process reads one file. To start another takes 0.1 to 0.3 s of processor time; one that is kept would hold 80 to 250 MB, and
 * whatever the file of one person has left in it when that of another comes.
 */
export async function runReader(
  program: ReaderProgram,
  content: FileContent,
  limits: ProcessLimits,
  signal: AbortSignal,
): Promise<Reply> {
  signal.throwIfAborted();
  const ending = await supervise(start(program, content.sizeBytes, limits), content, limits, signal);
  signal.throwIfAborted();
  if (content.failure !== null) throw content.failure;
  if (ending.excess === 'TIME' && !content.isSent) throw new ReadingFailedError('SOURCE_TOO_SLOW');
  const facts = { sizeBytes: content.sizeBytes, peakBytes: ending.peakBytes };
  if (isFaultOfFile(ending, limits)) {
    log.warn({ ...facts, excess: ending.excess, signal: ending.signal }, 'a file was too complex to read');
    return { type: 'refused', refusal: 'TOO_COMPLEX' };
  }
  if (ending.excess === null && ending.code !== 0) {
    log.error({ ...facts, exitCode: ending.code, signal: ending.signal }, 'a file reader ended by itself');
    throw new ReadingFailedError('ENDED');
  }
  const reply = ending.excess === null ? parseReply(ending.output) : null;
  if (reply !== null) return reply;
  log.error(facts, 'the reply of a file reader was not valid');
  return { type: 'refused', refusal: 'DAMAGED' };
}

/** How a child process ended. */
interface Ending {
  /** What it was ended for; null if it ended by itself. */
  excess: Excess | 'OUTPUT' | null;
  /** Null if it was ended by a signal. */
  code: number | null;
  signal: NodeJS.Signals | null;
  output: Buffer;
  /** The most memory that was seen. */
  peakBytes: number;
}

/** Feeds a process and resolves once it has ended, which it does when it exceeds a limit or is aborted. */
async function supervise(
  child: Child,
  content: FileContent,
  limits: ProcessLimits,
  signal: AbortSignal,
): Promise<Ending> {
  const { promise: closed, resolve: close } = Promise.withResolvers<Pick<Ending, 'code' | 'signal'>>();
  child.on('error', () => {}); // it could not be started, and has no id then
  child.on('close', (code, exitSignal) => close({ code, signal: exitSignal }));
  if (child.pid === undefined) throw new ReadingFailedError('NOT_STARTED');
  let excess: Ending['excess'] = null;
  const kill = () => child.kill('SIGKILL');
  const endFor = (reason: NonNullable<Ending['excess']>) => {
    excess ??= reason;
    kill();
  };
  using _listener = addAbortListener(signal, kill);
  using watch = new ProcessWatch(child.pid, limits, endFor);
  const output = collect(child.stdout, () => endFor('OUTPUT'));
  // It fails as well when the process is ended, or has seen enough to refuse the file.
  pipeline(content.chunks(), child.stdin).catch(() => content.failure !== null && kill());
  const exit = await closed;
  return { excess, ...exit, output: Buffer.concat(output), peakBytes: watch.peakBytes };
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

function start({ path, mayLoadNative }: ReaderProgram, sizeBytes: number, { cpuMs }: ProcessLimits): Child {
  const rights = [
    '--permission', // no files, processes, threads or debugger, and since Node 25 no network, but for what follows
    ...READABLE.map((folder) => `--allow-fs-read=${folder}/*`),
    `--allow-fs-read=${dirname(path)}/*`,
    mayLoadNative ? '--allow-addons' : '--no-addons',
    '--disallow-code-generation-from-strings',
    `--max-old-space-size=${LARGEST_HEAP_MB}`,
  ];
  const words = [process.execPath, ...rights, path, String(sizeBytes)];
  const [command = '', ...more] = process.platform === 'win32' ? words : withCpuLimit(words, cpuMs);
  return spawn(command, more, {
    cwd: '/',
    env: { TZ: 'UTC' },
    stdio: ['pipe', 'pipe', 'ignore'], // what libraries print may quote the file
  });
}

/**
 * The same command under a limit that the system keeps: a server that is killed watches nobody any more, and a process that is
 * busy with a hostile file does not see that its pipes are closed.
 */
function withCpuLimit(words: readonly string[], cpuMs: number): string[] {
  const seconds = Math.ceil((2 * cpuMs) / 1_000); // so that the watch, which knows more, comes first
  return ['/bin/sh', '-c', `ulimit -S -t ${seconds}; unset PWD OLDPWD SHLVL; exec "$@"`, 'sh', ...words];
}

/** What a process has written; `onTooLong` is called when it is more than any reply. */
function collect(stdout: Readable, onTooLong: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let length = 0;
  stdout.on('error', () => {}); // the end of the process tells
  stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > LARGEST_REPLY_BYTES) onTooLong();
    else chunks.push(chunk);
  });
  return chunks;
}

/**
 * A process that is killed by nobody here crashed, for lack of memory or by a fault in native code, or was killed by Linux when
 * the machine ran out of memory, which happens to the largest.
 */
function isFaultOfFile({ excess, signal, peakBytes }: Ending, { memoryBytes }: ProcessLimits): boolean {
  if (excess !== null) return excess !== 'OUTPUT';
  if (signal === 'SIGKILL') return peakBytes > memoryBytes / 2;
  return signal !== null && CRASHES.has(signal);
}

/** Node ends with the first or second when the heap is full, Linux with the last when the processor time is used up. */
const CRASHES = new Set<NodeJS.Signals>([
  ...(['SIGABRT', 'SIGTRAP', 'SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGXCPU'] as const),
]);

/** The code of readers and of libraries, whose folder may be a link to another place. */
const READABLE = [fileURLToPath(new URL('.', import.meta.url)).replace(/[/\\]$/, ''), ...libraryFolders()];

function libraryFolders(): string[] {
  const folder = fileURLToPath(new URL('../../../node_modules', import.meta.url));
  return [...new Set([folder, realpathSync(folder)])];
}

const LARGEST_HEAP_MB = 256; // of objects; pictures and unpacked bytes are not among them
