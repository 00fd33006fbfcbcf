import type { CreateWindow, SlidingWindow } from '../limits/sliding-window.ts';

/** The limits on files. */
export interface FileNumbers {
  /** Size of one file. */
  maxFileBytes: number;
  /** Size of all files of a workspace together, those that are still expected included. */
  maxWorkspaceBytes: number;
  uploadsPerPerson: number;
  uploadsPerServer: number;
}

/**
 * Limits how many uploads are under way: of one person on all servers together, and on this server. Each counts from its
 * beginning and is taken back at its end; one that a crash ended counts until it would have run out of time.
 */
export class UploadLimits {
  readonly #numbers: FileNumbers;
  readonly #window: SlidingWindow;
  #running = 0;

  constructor(numbers: FileNumbers, createWindow: CreateWindow) {
    this.#numbers = numbers;
    this.#window = createWindow('uploads', uploadTimeMs(numbers.maxFileBytes));
  }

  /** Counts an upload until `end` is called, if there is a place for it. */
  async begin(userId: string): Promise<UploadPlace> {
    const { uploadsPerPerson, uploadsPerServer } = this.#numbers;
    if (this.#running >= uploadsPerServer) return { type: 'full', of: 'server', most: uploadsPerServer };
    this.#running += 1;
    const subject = `person ${userId}`;
    let isBegun = false;
    try {
      isBegun = (await this.#window.take([{ subject, most: uploadsPerPerson }])) === null;
    } finally {
      if (!isBegun) this.#running -= 1;
    }
    if (!isBegun) return { type: 'full', of: 'person', most: uploadsPerPerson };
    return {
      type: 'begun',
      end: async () => {
        this.#running -= 1;
        await this.#window.giveBack([subject]);
      },
    };
  }
}

/** A place for an upload, or whose places are all taken. */
export type UploadPlace =
  | { type: 'begun'; end(): Promise<void> }
  | { type: 'full'; of: 'person' | 'server'; most: number };

/** The longest time for an upload of so many bytes: a slow line has 32 KiB a second. */
export function uploadTimeMs(bytes: number): number {
  return 30_000 + Math.ceil(bytes / SLOWEST_BYTES_PER_MS);
}

const SLOWEST_BYTES_PER_MS = (32 * 1024) / 1_000;
