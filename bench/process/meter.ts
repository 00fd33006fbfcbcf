import { readdirSync, readFileSync } from 'node:fs';

/** What a server has used between two moments. */
export interface Spent {
  /** CPU time of the process, user and system, all threads, in microseconds. */
  cpu: number;
  /** CPU time of the backends of its PostgreSQL database. Undefined without one, or if it runs on another machine. */
  databaseCpu: number | undefined;
  /** System calls that write: to sockets, files and pipes. */
  writes: number;
}

/** Begins to measure a process, and its database by the name of that. The returned function gives what was used since. */
export function startMeter({ pid, database }: { pid: number; database?: string | undefined }): () => Spent {
  const threads = threadNanoseconds(pid);
  const backends = backendMicroseconds(database);
  const writes = writeCalls(pid);
  return () => {
    const backendsNow = backendMicroseconds(database);
    return {
      cpu: growth(threads, threadNanoseconds(pid)) / 1_000,
      databaseCpu: backendsNow.size === 0 ? undefined : growth(backends, backendsNow),
      writes: writeCalls(pid) - writes,
    };
  };
}

/** Memory of a process that is resident, in kibibytes. */
export function residentKibibytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function growth(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [id, value] of after) sum += value - (before.get(id) ?? 0);
  return sum;
}

/** By thread: `utime` and `stime` of the process have the same sum, but in steps of 10 ms, which is too coarse. */
function threadNanoseconds(pid: number): Map<string, number> {
  return readEach(`/proc/${pid}/task`, (thread) => {
    const [onCpu] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return Number(onCpu);
  });
}

/** PostgreSQL writes the name of the database into the command line of each backend, so no query is needed to find them. */
function backendMicroseconds(database: string | undefined): Map<string, number> {
  if (database === undefined) return new Map();
  return readEach('/proc', (pid) => {
    const commandLine = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
    if (!commandLine.startsWith('postgres:') || !commandLine.includes(database)) return undefined;
    const [onCpu] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Number(onCpu) / 1_000;
  });
}

/** Reads a value for each entry of a folder of /proc; entries may be gone before they are read. */
function readEach(folder: string, read: (name: string) => number | undefined): Map<string, number> {
  const values = new Map<string, number>();
  for (const name of readdirSync(folder)) {
    try {
      const value = read(name);
      if (value !== undefined) values.set(name, value);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && GONE.includes(String(error.code)))) throw error;
    }
  }
  return values;
}

const GONE = ['ENOENT', 'ESRCH'];

function writeCalls(pid: number): number {
  return Number(/^syscw: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}
