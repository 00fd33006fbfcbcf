import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the benchmark that is told things and answers in turn. */
export interface Helper {
  pid: number;
  /** The next message, whose type must be this one. Ask before doing what brings it about. Throws when it does not come. */
  hear<Message>(type: string, withinMs?: number): Promise<Message>;
  tell(message: object): void;
  stop(): void;
}

/** Runs a file of this folder as a process of its own. */
export function startHelper(file: string, args: string[] = []): Helper {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args);
  return {
    pid: child.pid ?? 0,
    hear: (type, withinMs = ANSWER_MS) => hear(child, file, type, withinMs),
    tell: (message) => child.send(message),
    stop: () => child.kill(),
  };
}

const ANSWER_MS = 60_000; // far more than anything takes that is not paced

function hear<Message>(child: ChildProcess, file: string, type: string, withinMs: number): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  const timer = setTimeout(() => reject(new Error(`${file} does not say ${type}`)), withinMs);
  const left = () => reject(new Error(`${file} has ended`));
  child.once('exit', left);
  child.once('message', (message: { type: string; reason?: string }) => {
    child.off('exit', left);
    if (message.type === type) resolve(message as Message);
    else reject(new Error(message.reason ?? `${file} said ${message.type} where ${type} was due`));
  });
  return promise.finally(() => clearTimeout(timer));
}
