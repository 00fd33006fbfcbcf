/** A clock that all processes of this machine share, in milliseconds: `performance.now()` begins with each process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
