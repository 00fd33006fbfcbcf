import { join } from 'node:path';
import type { FileSettings } from '../read-file-settings.ts';
import { ConfigError } from '../read-setting.ts';
import { readSecret } from '../vault/secret-source.ts';
import { openFolderStore } from './folder-store.ts';
import { openS3Store } from './s3-store.ts';
import type { FileStore } from './store.ts';

/**
 * Opens the store of the settings, and makes sure that files can be kept there. Throws ConfigError and SecretSourceError, which say
 * what to correct.
 */
export async function openFileStore({ folder, bucket }: FileSettings): Promise<FileStore> {
  const store =
    bucket === null
      ? openFolderStore(folder)
      : openS3Store(
          {
            endpoint: bucket.endpoint,
            bucket: bucket.name,
            region: bucket.region,
            accessKeyId: await readKey('LATCHKEY_S3_ACCESS_KEY_ID', bucket.accessKeyIdFile),
            secretAccessKey: await readKey('LATCHKEY_S3_SECRET_ACCESS_KEY', bucket.secretAccessKeyFile),
          },
          join(folder, 'unfinished'),
        );
  await store.check(AbortSignal.timeout(CHECK_TIMEOUT_MS));
  return store;
}

async function readKey(name: string, file: string): Promise<string> {
  const found = await readSecret({ name, value: undefined, file, inventedFile: '', mayInvent: false });
  if (found === null || found.text === '') throw new ConfigError(`The file of ${name}_FILE is empty.`);
  return found.text;
}

const CHECK_TIMEOUT_MS = 60_000;
