import { openAsBlob, statfsSync } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { EngineFiles, EngineNews } from './embedded-engine.ts';
import { EmbeddedSession } from './embedded-session.ts';

/** The thread of the embedded database. It ends once its client has closed the port, and the database with it. */
const { files, port }: { files: EngineFiles; port: MessagePort } = workerData;

const engine = await PGlite.create({
  ...(files.folder !== undefined && { dataDir: files.folder }),
  ...(files.template !== undefined && { loadDataDir: await openAsBlob(files.template) }),
});
exitOnFatalFailure(engine);
report({ type: 'ready' });
const session = new EmbeddedSession(engine, freeBytes, (isFull, free) =>
  report({ type: 'disk', isFull, freeBytes: free }),
);
await session.serve(port);
await engine.close();

function freeBytes(): number {
  if (files.folder === undefined) return Number.POSITIVE_INFINITY;
  const { bavail, bsize } = statfsSync(files.folder);
  return bavail * bsize;
}

/**
 * PGlite goes on after every failure of its program, also when PostgreSQL has given up, as it does when it cannot write its log:
 * it would run in an endless loop, or on memory in an unknown state. What was committed is found by the next start.
 */
function exitOnFatalFailure({ Module: program }: PGlite): void {
  const runOnce = program._PostgresMainLoopOnce;
  program._PostgresMainLoopOnce = () => {
    try {
      runOnce();
    } catch (error) {
      if (!isFailureOfStatement(error)) process.exit(1); // ends this thread alone
      throw error;
    }
  };
}

/** PostgreSQL jumps out of a failed statement, for which PGlite's program has this status. */
function isFailureOfStatement(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'status' in error && error.status === 100;
}

function report(news: EngineNews): void {
  parentPort?.postMessage(news);
}
