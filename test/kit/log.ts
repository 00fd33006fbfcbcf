import { pino } from 'pino';
import { vi } from 'vitest';
import { log } from '../../src/log.ts';

/** The lines about failures of ours that are logged from now on, until mocks are restored. */
export function captureErrors(): string[] {
  return captureLog((line) => (JSON.parse(line) as { level: number }).level >= ERROR);
}

/** The lines that are logged from now on, until mocks are restored. They go nowhere else. */
export function captureLog(isWanted: (line: string) => boolean = () => true): string[] {
  const lines: string[] = [];
  const stream: { write(line: string): void } = Reflect.get(log, pino.symbols.streamSym);
  vi.spyOn(stream, 'write').mockImplementation((line) => {
    if (isWanted(line)) lines.push(line);
  });
  return lines;
}

const ERROR = 50; // in pino
