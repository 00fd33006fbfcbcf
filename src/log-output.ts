import { fstatSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Takes a text whole or not at all, without waiting. False if it does not take it. */
export interface Sink {
  write(text: string): boolean;
  /** Whether everything has left the process. */
  isFlushed(): boolean;
}

/**
 * Writes log lines and never holds up the process: a line that cannot be written now is lost, and how many were is logged
 * once there is room again.
 */
export class LogOutput {
  readonly #sink: Sink;
  #lostLines = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(line: string): void {
    if (this.#reportLoss() && this.#sink.write(line)) return;
    this.#lostLines++;
    this.#retry ??= setInterval(() => this.#reportLoss(), RETRY_MS).unref();
  }

  /** Resolves once everything is written, or after the time a process has for its farewell. */
  async flush(): Promise<void> {
    const giveUpAt = performance.now() + FLUSH_MS;
    while (!this.#sink.isFlushed() && performance.now() < giveUpAt) await sleep(10);
  }

  /** False if the loss cannot be logged yet. */
  #reportLoss(): boolean {
    if (this.#lostLines === 0) return true;
    const loss = { level: WARN, time: new Date().toISOString(), name: 'latchkey', lines: this.#lostLines };
    if (!this.#sink.write(`${JSON.stringify({ ...loss, msg: 'log lines could not be written' })}\n`))
      return false;
    this.#lostLines = 0;
    clearInterval(this.#retry);
    this.#retry = undefined;
    return true;
  }
}

/** Standard output, whatever it is: a file whose disk may be full, or a pipe that nobody may be reading. */
export function standardOutput(): Sink {
  const { fd, isTTY } = process.stdout;
  return !isTTY && isFile(fd) ? fileSink(fd) : streamSink(process.stdout);
}

function isFile(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || stats.isCharacterDevice();
  } catch {
    return false; // it was closed before the process began
  }
}

/** Files do not make anyone wait, but can take a part of a line. */
function fileSink(fd: number): Sink {
  let endsLine = true;
  return {
    write(text) {
      const bytes = Buffer.from(endsLine ? text : `\n${text}`);
      try {
        const written = writeSync(fd, bytes);
        if (written > 0) endsLine = bytes[written - 1] === NEWLINE;
        return written === bytes.length;
      } catch {
        return false;
      }
    },
    isFlushed: () => true,
  };
}

/** What a stopped reader leaves unread waits in memory up to a limit. A reader that is gone never comes back. */
function streamSink(stream: NodeJS.WriteStream): Sink {
  stream.on('error', () => {});
  return {
    write(text) {
      if (stream.destroyed || stream.writableLength > MAX_WAITING_BYTES) return false;
      stream.write(text);
      return true;
    },
    isFlushed: () => stream.destroyed || stream.writableLength === 0,
  };
}

const MAX_WAITING_BYTES = 1024 * 1024;
const RETRY_MS = 1_000;
const FLUSH_MS = 500;
const WARN = 40;
const NEWLINE = 0x0a;
