import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import type { RootKey } from '../vault/seal.ts';
import type { FileUrls } from './file-urls.ts';
import type { ReadingDeps } from './reading/read-file.ts';
import type { FileStore } from './store.ts';
import type { FileNumbers, UploadLimits } from './upload-limits.ts';

/** What receiving, reading, serving and sweeping files needs. */
export interface FileDeps extends ReadingDeps {
  db: Database;
  changes: Changes;
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
  fileStore: FileStore;
  fileUrls: FileUrls;
  fileNumbers: FileNumbers;
  uploadLimits: UploadLimits;
  /** Aborted when the server closes: no file is read any more. What was not read is read after the next start. */
  filesClosing: AbortSignal;
  /** Registers work that outlives its request, so that a shutdown waits for it. */
  track(work: Promise<void>): void;
}
