import { readFileSync } from 'node:fs';

/** CPU time that a process has used so far, user and system, all threads, in microseconds. Linux counts in steps of 10 ms. */
export function cpuMicroseconds(pid: number): number {
  // The second field is the program's name in parentheses and may hold anything; numbers begin after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[UTIME]) + Number(fields[UTIME + 1])) * MICROSECONDS_PER_TICK;
}

/** Memory of a process that is resident, in mebibytes. */
export function residentMebibytes(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) / 1024;
}

const UTIME = 11; // counted from the state, which follows the name
const MICROSECONDS_PER_TICK = 10_000; // USER_HZ is 100 on every Linux that Node runs on
