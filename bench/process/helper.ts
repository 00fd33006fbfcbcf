import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Calls, Reply } from './calls.ts';
import { printErrorOutput } from './error-output.ts';

/** A process of the benchmark whose functions are called from here. */
export interface Helper<Known extends Calls> {
  pid: number;
  /** Throws if the function does, if the process ends, and after `withinMs`. */
  call<Name extends keyof Known & string>(
    name: Name,
    input: Parameters<Known[Name]>[0],
    withinMs?: number,
  ): Promise<Awaited<ReturnType<Known[Name]>>>;
  stop(): void;
}

/** Runs a file of the benchmark as a process of its own. `file` is relative to this folder. */
export function startHelper<Known extends Calls>(
  file: string,
  args: readonly string[] = [],
  nodeFlags: readonly string[] = [],
): Helper<Known> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: [...nodeFlags],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  if (child.stderr !== null) printErrorOutput(child.stderr);
  let calls = 0;
  return {
    pid: child.pid ?? 0,
    call(name, input, withinMs = ANSWER_MS) {
      calls += 1;
      const reply = receive<Awaited<ReturnType<Known[typeof name]>>>(
        child,
        calls,
        `${file} does not answer ${name}`,
        withinMs,
      );
      child.send({ id: calls, name, input });
      reply.catch(() => {}); // its caller may still be waiting for something else
      return reply;
    },
    stop: () => child.kill(),
  };
}

const ANSWER_MS = 90_000; // far more than anything takes that is not paced

function receive<Result>(
  child: ChildProcess,
  id: number,
  tooLate: string,
  withinMs: number,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const timer = setTimeout(() => reject(new Error(tooLate)), withinMs);
  const leave = () => reject(new Error(`${tooLate}: it has ended`));
  const hear = (reply: Reply<Result>) => {
    if (reply.id !== id) return;
    if ('failure' in reply) reject(new Error(reply.failure));
    else resolve(reply.result);
  };
  child.on('exit', leave).on('message', hear);
  return promise.finally(() => {
    clearTimeout(timer);
    child.off('exit', leave).off('message', hear);
  });
}
