import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file as browsers fetch it. */
export interface PageFile {
  contentType: string;
  /** Called once per process unless `varies`; the file is read or made when somebody asks for it. */
  load(): Promise<string | Buffer>;
  /** Whether `load` can give something else the next time. */
  varies?: boolean;
  headers?: Readonly<Record<string, string>>;
}

/** A file in memory, ready to be sent. */
export interface LoadedFile {
  content: Buffer;
  /** The content, gzipped. */
  packed: Buffer;
  /** Names this content, in quotes. */
  etag: string;
}

/** Loads a file and packs it once, however many fetch it. */
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
