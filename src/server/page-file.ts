import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file that browsers can fetch. */
export interface PageFile {
  contentType: string;
  /** Called at the first request, and only once per process unless `varies`. */
  load(): Promise<string | Buffer>;
  /** Whether `load` can return another content the next time. */
  varies?: boolean;
  headers?: Readonly<Record<string, string>>;
}

/** A file in memory, ready to be sent. */
export interface LoadedFile {
  content: Buffer;
  /** The content, gzipped. */
  packed: Buffer;
  /** Entity tag of the content, with its quotes. */
  etag: string;
}

/** Loads and gzips a file. */
export async function loadFile(file: PageFile): Promise<LoadedFile> {
  const content = Buffer.from(await file.load());
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  return { content, packed: await promisify(gzip)(content), etag };
}

/** Reads one of our own files. */
export async function readPage(name: string): Promise<string> {
  return await readFile(new URL(`./pages/${name}`, import.meta.url), 'utf8');
}

export const HTML = 'text/html; charset=utf-8';
export const CSS = 'text/css; charset=utf-8';
export const SCRIPT = 'text/javascript; charset=utf-8';
