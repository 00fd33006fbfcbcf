import { join, resolve } from 'node:path';
import type { FileNumbers } from './files/upload-limits.ts';
import { ConfigError, readCount, readUrl } from './read-setting.ts';

/** Where files are kept, and how much of them. */
export interface FileSettings {
  /** Where they are kept; with a bucket, where an upload waits until all of it has arrived. */
  folder: string;
  /** Null if files are kept in the folder. */
  bucket: BucketSettings | null;
  /** Whether files are kept where other servers do not find them: in the data folder, since no place was named. */
  isForOneServer: boolean;
  numbers: FileNumbers;
}

/** A bucket of an S3-compatible service. */
export interface BucketSettings {
  name: string;
  /** Without a slash at the end. */
  endpoint: string;
  region: string;
  /** Paths of the files that hold the key. */
  accessKeyIdFile: string;
  secretAccessKeyFile: string;
}

/** Reads the settings of files. Throws ConfigError; the files of the key are read where they are used. */
export function readFileSettings(given: GivenFileSettings, dataDir: string): FileSettings {
  const bucket = readBucket(given);
  if (bucket !== null && given.folder !== undefined)
    throw new ConfigError('LATCHKEY_FILES_DIR and LATCHKEY_S3_BUCKET are both set. Keep one of them.');
  return {
    folder: given.folder === undefined ? join(dataDir, 'files') : resolve(given.folder),
    bucket,
    isForOneServer: bucket === null && given.folder === undefined,
    numbers: {
      // What reads files takes no larger ones.
      maxFileBytes: readCount('LATCHKEY_MAX_FILE_BYTES', given.maxFileBytes, 20 * MIB, 128 * MIB),
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
  bucket: string | undefined;
  endpoint: string | undefined;
  region: string | undefined;
  accessKeyIdFile: string | undefined;
  secretAccessKeyFile: string | undefined;
  maxFileBytes: string | undefined;
  maxWorkspaceBytes: string | undefined;
  uploadsPerPerson: string | undefined;
  uploads: string | undefined;
}

function readBucket({
  bucket,
  endpoint,
  region = 'us-east-1',
  accessKeyIdFile,
  secretAccessKeyFile,
}: GivenFileSettings): BucketSettings | null {
  if (bucket === undefined) {
    if (endpoint === undefined && accessKeyIdFile === undefined && secretAccessKeyFile === undefined)
      return null;
    throw new ConfigError('LATCHKEY_S3_BUCKET is not set, but other settings of a bucket are. Set it too.');
  }
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw new ConfigError(`LATCHKEY_S3_BUCKET is no name of a bucket: "${bucket}".`);
  if (!/^[a-z0-9-]+$/.test(region))
    throw new ConfigError(`LATCHKEY_S3_REGION is no name of a region: "${region}".`);
  if (accessKeyIdFile === undefined || secretAccessKeyFile === undefined)
    throw new ConfigError(
      'LATCHKEY_S3_BUCKET needs LATCHKEY_S3_ACCESS_KEY_ID_FILE and LATCHKEY_S3_SECRET_ACCESS_KEY_FILE.',
    );
  const url = readUrl('LATCHKEY_S3_ENDPOINT', endpoint, ['https:', 'http:']);
  return {
    name: bucket,
    endpoint: (url ?? `https://s3.${region}.amazonaws.com`).replace(/\/+$/, ''),
    region,
    accessKeyIdFile,
    secretAccessKeyFile,
  };
}

const MIB = 1024 * 1024;
