import { pino } from 'pino';
import { vi } from 'vitest';
import { log } from '../../src/log.ts';

/** The lines that are logged from now on, until mocks are restored. They go nowhere else. */
export function captureLog(): string[] {
  const lines: string[] = [];
  const stream: { write(line: string): void } = Reflect.get(log, pino.symbols.streamSym);
  vi.spyOn(stream, 'write').mockImplementation((line) => lines.push(line));
  return lines;
}
