import { readFileSync, writeFileSync } from 'node:fs';

/** What a child process may use before it is ended. */
export interface ProcessLimits {
  /** Resident memory. */
  memoryBytes: number;
  /** Processor time, which does not depend on how busy the machine is. */
  cpuMs: number;
  /** Time since its start, for one that waits, and for systems that do not tell the others. */
  wallMs: number;
}

/** Which of its limits a process has exceeded. */
export type Excess = 'MEMORY' | 'CPU' | 'TIME';

/**
 * Watches the use of a process from outside, because one that is busy with a hostile file cannot watch itself. Memory and
 * processor time are known on Linux only; elsewhere a limit of time and the heap limit of Node are all there is.
 */
export class ProcessWatch implements Disposable {
  readonly #pid: number;
  readonly #limits: ProcessLimits;
  readonly #onExcess: (excess: Excess) => void;
  readonly #polling: NodeJS.Timeout;
  readonly #startedAtMs = performance.now();
  #peakBytes = 0;

  constructor(pid: number, limits: ProcessLimits, onExcess: (excess: Excess) => void) {
    this.#pid = pid;
    this.#limits = limits;
    this.#onExcess = onExcess;
    markForOutOfMemory(pid);
    this.#polling = setInterval(() => this.#look(), POLL_MS);
  }

  /** The most memory that was seen. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#polling);
  }

  #look(): void {
    const { memoryBytes, cpuMs, wallMs } = this.#limits;
    const use = readUse(this.#pid);
    this.#peakBytes = Math.max(this.#peakBytes, use.memoryBytes);
    if (use.memoryBytes > memoryBytes) this.#onExcess('MEMORY');
    else if (use.cpuMs > cpuMs) this.#onExcess('CPU');
    else if (performance.now() - this.#startedAtMs > wallMs) this.#onExcess('TIME');
  }
}

/** Synchronous, as these files are in memory: a look takes 0.05 ms, and a promise would come too late in a full event loop. */
function readUse(pid: number): { memoryBytes: number; cpuMs: number } {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    // The name of the program, in parentheses, may hold spaces. Fields are counted from behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    return { memoryBytes: Number(kilobytes ?? 0) * 1_024, cpuMs: ticks * TICK_MS };
  } catch {
    return { memoryBytes: 0, cpuMs: 0 }; // it has ended, or this is not Linux
  }
}

/** Makes Linux end this process rather than the server when the machine or its container has no memory left. */
function markForOutOfMemory(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // not Linux, or not allowed: the memory limit is still watched
  }
}

const POLL_MS = 25; // a bomb fills up to 100 MB in that time
const TICK_MS = 10; // proc_pid_stat(5) counts in hundredths of seconds
