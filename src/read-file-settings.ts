import { join, resolve } from 'node:path';
import type { FileNumbers } from './files/upload-limits.ts';
import { readCount } from './read-setting.ts';

/** Where files are kept, and how much of them. */
export interface FileSettings {
  folder: string;
  /** Whether the folder is the one in the data folder, since none was named. */
  isDefaultFolder: boolean;
  numbers: FileNumbers;
}

/** Reads the settings of files. Throws ConfigError. */
export function readFileSettings(given: GivenFileSettings, dataDir: string): FileSettings {
  return {
    folder: given.folder === undefined ? join(dataDir, 'files') : resolve(given.folder),
    isDefaultFolder: given.folder === undefined,
    numbers: {
      maxFileBytes: readCount('LATCHKEY_MAX_FILE_BYTES', given.maxFileBytes, 20 * MIB, 1_024 * MIB),
      maxWorkspaceBytes: readCount(
        'LATCHKEY_MAX_WORKSPACE_BYTES',
        given.maxWorkspaceBytes,
        1_024 * MIB,
        1_024 ** 3 * MIB,
      ),
      uploadsPerPerson: readCount('LATCHKEY_MAX_UPLOADS_PER_PERSON', given.uploadsPerPerson, 4, 10_000),
      uploadsPerServer: readCount('LATCHKEY_MAX_UPLOADS', given.uploads, 32, 10_000),
    },
  };
}

/** The settings as they were set; undefined for those that were not. */
export interface GivenFileSettings {
  folder: string | undefined;
  maxFileBytes: string | undefined;
  maxWorkspaceBytes: string | undefined;
  uploadsPerPerson: string | undefined;
  uploads: string | undefined;
}

const MIB = 1024 * 1024;
