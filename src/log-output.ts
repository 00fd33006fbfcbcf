import { fstatSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where log lines go. */
export interface Sink {
  /** Writes the whole text or nothing, without blocking. False if it was not written. */
  write(text: string): boolean;
  /** Whether everything has left the process. */
  isFlushed(): boolean;
}

/**
 * Writes log lines and never blocks the process: a line that cannot be written now is lost, and the number of lost lines is
 * logged once writing works again.
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

  /** Resolves once everything is written, at the latest after FLUSH_MS. */
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

/** Standard output, which may be a file on a full disk or a pipe without a reader. */
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

/** Writes to a file do not block, but can write a part of a line. */
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

/** Text that a stalled reader has not read waits in memory up to a limit. */
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
