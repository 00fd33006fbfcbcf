import type { FileAsBytes, FileAsText } from '../../src/providers/provider.ts';

const OFFICE = 'application/vnd.openxmlformats-officedocument';

/** Media types of files, by their usual endings. */
export const MEDIA_TYPES = {
  png: 'image/png',
  jpg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  pdf: 'application/pdf',
  docx: `${OFFICE}.wordprocessingml.document`,
  xlsx: `${OFFICE}.spreadsheetml.sheet`,
  pptx: `${OFFICE}.presentationml.presentation`,
  csv: 'text/csv',
  txt: 'text/plain',
} as const;

/** A file whose bytes are sent, and how often it was opened and closed. */
export interface WatchedFile extends FileAsBytes {
  opened: number;
  closed: number;
}

/** A file as bytes, which come in chunks of this length. */
export function bytesFile(
  form: FileAsBytes['form'],
  name: string,
  bytes: Uint8Array,
  { chunkBytes = 65_536, mediaType = mediaTypeOf(name) }: { chunkBytes?: number; mediaType?: string } = {},
): WatchedFile {
  return watchedFile(form, name, bytes.length, mediaType, async function* () {
    for (let start = 0; start < bytes.length; start += chunkBytes)
      yield bytes.subarray(start, start + chunkBytes);
  });
}

/** A file that is read as the test says. */
export function watchedFile(
  form: FileAsBytes['form'],
  name: string,
  sizeBytes: number,
  mediaType: string,
  read: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
): WatchedFile {
  const file: WatchedFile = {
    form,
    name,
    mediaType,
    sizeBytes,
    opened: 0,
    closed: 0,
    async *open(signal) {
      file.opened += 1;
      try {
        yield* read(signal);
      } finally {
        file.closed += 1;
      }
    },
  };
  return file;
}

/** A file as text. */
export function textFile(name: string, text: string, note: string | null = null): FileAsText {
  return { form: 'text', name, mediaType: mediaTypeOf(name), note, text };
}

function mediaTypeOf(name: string): string {
  const [, ending = ''] = /\.(\w+)$/.exec(name) ?? [];
  return Object.entries(MEDIA_TYPES).find(([known]) => known === ending)?.[1] ?? 'application/octet-stream';
}
