/** Prints what a test found out, where `LATCHKEY_TEST_REPORT` is set: to be read, not to be checked. */
export function say(line: string): void {
  if (process.env.LATCHKEY_TEST_REPORT !== undefined) process.stdout.write(`${line}\n`);
}
