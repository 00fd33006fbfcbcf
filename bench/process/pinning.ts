import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Which CPUs the server under test has to itself, and which the provider and the clients share. */
export interface Pinning {
  server: string;
  others: string;
}

const allowed = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';

/** The last CPU for the server and the rest for the others. Undefined with a single CPU, and where there is no taskset. */
export function findPinning(): Pinning | undefined {
  const cpus = allowed.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  const server = cpus.pop();
  if (server === undefined || cpus.length === 0) return undefined;
  if (spawnSync('taskset', ['--version']).error !== undefined) return undefined;
  return { server: String(server), others: cpus.join(',') };
}

/** Lets all threads of a process run on these CPUs only; on all that this process may use if undefined. */
export function pin(pid: number, cpus: string = allowed): void {
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', cpus, String(pid)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`taskset: ${stderr}`);
}
