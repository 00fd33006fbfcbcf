import { setTimeout as sleep } from 'node:timers/promises';
import { collectGarbage } from './inspector.ts';
import { residentKibibytes } from './meter.ts';

/** Memory of a process in kibibytes. */
export interface Memory {
  resident: number;
  heap: number;
}

/** What a process holds after its garbage was collected, since garbage is collected whenever it suits V8. */
export async function memoryOf(process: { pid: number; openInspector(): Promise<string> }): Promise<Memory> {
  const heap = (await collectGarbage(await process.openInspector())) / 1_024;
  await sleep(SETTLE_MS);
  return { resident: residentKibibytes(process.pid), heap };
}

const SETTLE_MS = 1_000; // V8 gives pages back in the background
