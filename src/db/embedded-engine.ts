import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { log } from '../log.ts';

/** A running embedded database. */
export interface EmbeddedEngine {
  /** The wire protocol of PostgreSQL, of the one session that there is. Closing it ends the engine. */
  port: MessagePort;
  /** Resolves once the engine has ended after the port was closed. Rejects if it failed. */
  ended: Promise<void>;
  /** Ends the engine as a crash would. */
  kill(): Promise<unknown>;
}

/** Where the embedded database has its files. */
export interface EngineFiles {
  /** The folder with its files, which is made if there is none. Without one it is only in memory. */
  folder?: string;
  /** A file with a database to begin with. */
  template?: string;
}

/** What the thread of the engine says apart from replies to statements. */
export type EngineNews = { type: 'ready' } | { type: 'disk'; isFull: boolean; freeBytes: number };

/** Starts the embedded database on a thread of its own, so that its statements do not hold up the event loop. */
export async function startEngine(files: EngineFiles): Promise<EmbeddedEngine> {
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./embedded-worker.ts', import.meta.url), {
    name: 'database',
    workerData: { files, port: port2 },
    transferList: [port2],
    resourceLimits: LIMITS,
    env: {}, // it needs no setting, and no secret
    execArgv: [],
  });
  const ended = endOf(worker);
  ended.catch(() => {}); // the port is closed then, which fails every statement
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  worker.on('message', (news: EngineNews) => {
    if (news.type === 'ready') resolve();
    else if (news.isFull)
      log.error({ freeBytes: news.freeBytes }, 'the disk of the database is full: it only reads');
    else log.info('the disk of the database has room again');
  });
  await Promise.race([ready, ended]);
  return { port, ended, kill: () => worker.terminate() };
}

async function endOf(worker: Worker): Promise<void> {
  const [exitCode] = await once(worker, 'exit'); // rejects with what the thread has thrown
  if (exitCode !== 0) throw new EngineStoppedError();
}

/** The embedded database has stopped by itself, as after a failure to write to the disk. It starts again with the process. */
export class EngineStoppedError extends Error {
  override readonly name = 'EngineStoppedError';
  readonly code = 'ENGINE_STOPPED';

  constructor() {
    super('The embedded database has stopped.');
  }
}

const LIMITS = {
  maxOldGenerationSizeMb: 256, // of JavaScript's objects; the memory of PostgreSQL is not part of it
  stackSizeMb: 64, // recursion in PostgreSQL: its own limit, max_stack_depth, counts only a part of what it takes here
};
