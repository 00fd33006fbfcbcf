import { syncBuiltinESMExports } from 'node:module';
import { encodeReply, type Reply } from '../reply.ts';
import { Refusal } from './refusal.ts';

/** Reads the bytes of one file. Throws Refusal; whatever else it throws means that the file is damaged. */
export type Reader = (bytes: Uint8Array) => Promise<Reply>;

/**
 * Runs a child process: takes a file of as many bytes as its argument says from standard input, writes one reply to standard
 * output, and ends. What `choose` resolves with loads a reader. If that fails the installation is at fault and not the file, so
 * the process ends with status 1.
 */
export async function serve(choose: (bytes: Uint8Array) => Promise<() => Promise<Reader>>): Promise<never> {
  dropSignals();
  const bytes = await readInput(Number(process.argv[2]));
  answerFaults();
  const load = await choose(bytes).catch((error) => answer(refusalOf(error)));
  const reader = await load().catch(() => process.exit(1));
  return await answer(await reader(bytes).catch(refusalOf));
}

/** Answers as well when a library throws where no caller catches it, or waits for what never comes. */
function answerFaults(): void {
  process.on('uncaughtException', (error) => answer(refusalOf(error)));
  process.on('beforeExit', () => answer({ type: 'refused', refusal: 'DAMAGED' }));
  process.on('unhandledRejection', () => {}); // of work on the side: what the reader itself waits for, it hears of
}

/**
 * Takes away the functions that send signals to other processes: unlike files, network and processes, the permission model of
 * Node leaves them, and code that a file has smuggled in could end the server with them.
 */
function dropSignals(): void {
  for (const name of ['kill', '_kill', '_debugProcess']) Reflect.deleteProperty(process, name);
  syncBuiltinESMExports();
}

async function readInput(lengthBytes: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(lengthBytes);
  let offset = 0;
  for await (const chunk of process.stdin) offset += (chunk as Buffer).copy(bytes, offset);
  if (offset < lengthBytes) process.exit(1); // the server could not send all of it, and knows
  return bytes;
}

function refusalOf(error: unknown): Reply {
  if (error instanceof Refusal) return { type: 'refused', refusal: error.refusal };
  // A RangeError is a stack that overflowed, or a string or buffer longer than there can be.
  return { type: 'refused', refusal: error instanceof RangeError ? 'TOO_COMPLEX' : 'DAMAGED' };
}

async function answer(reply: Reply): Promise<never> {
  await new Promise((resolve) => process.stdout.write(encodeReply(reply), resolve));
  return process.exit(0); // libraries may leave timers and threads
}
