import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Makes and checks the links through which the bytes of files come and go. A link carries its whole right in a signature, so that
 * a browser needs neither cookie nor header for it; whoever has the link has the right until it runs out. Links are never logged.
 */
export class FileUrls {
  readonly #key: Uint8Array;

  /** `authSecret` signs sessions as well, so the key for links is derived from it. */
  constructor(authSecret: string) {
    this.#key = createHmac('sha256', authSecret).update('latchkey/file-links/v1').digest();
  }

  /** The link with which the bytes of an attachment are sent, once. */
  forUpload({ id, sizeBytes }: UploadTarget, nowMs: number = Date.now()): FileUrl {
    const expires = Math.floor((nowMs + UPLOAD_FOR_MS) / 1_000);
    return this.#make(id, { size: String(sizeBytes), expires: String(expires) }, 'PUT');
  }

  /** The link with which a viewer fetches an attachment. The same one for five minutes, so that browsers cache what it leads to. */
  forDownload(id: string, viewerId: string, nowMs: number = Date.now()): FileUrl {
    const begun = Math.floor(nowMs / SAME_FOR_MS) * SAME_FOR_MS;
    const expires = (begun + DOWNLOAD_FOR_MS) / 1_000;
    return this.#make(id, { viewer: viewerId, expires: String(expires) }, 'GET');
  }

  /** What the link of an upload is for; null if it is none, or has run out. */
  readUpload(url: URL, nowMs: number = Date.now()): UploadTarget | null {
    const size = url.searchParams.get('size') ?? '';
    const id = this.#read(url, { size }, 'PUT', nowMs);
    return id === null ? null : { id, sizeBytes: Number(size) };
  }

  /** What the link of a download is for, and for whom it was made; null if it is none, or has run out. */
  readDownload(url: URL, nowMs: number = Date.now()): { id: string; viewerId: string } | null {
    const viewerId = url.searchParams.get('viewer') ?? '';
    const id = this.#read(url, { viewer: viewerId }, 'GET', nowMs);
    return id === null ? null : { id, viewerId };
  }

  #make(id: string, parameters: Parameters, verb: Verb): FileUrl {
    const signature = this.#sign(id, parameters, verb).toString('base64url');
    return {
      path: `${FILES_PATH}${id}?${new URLSearchParams({ ...parameters, signature })}`,
      expiresAt: new Date(Number(parameters.expires) * 1_000),
    };
  }

  #read(url: URL, given: Omit<Parameters, 'expires'>, verb: Verb, nowMs: number): string | null {
    const id = url.pathname.slice(FILES_PATH.length);
    const expires = url.searchParams.get('expires') ?? '';
    const signature = Buffer.from(url.searchParams.get('signature') ?? '', 'base64url');
    const expected = this.#sign(id, { ...given, expires }, verb);
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return null;
    return Number(expires) * 1_000 > nowMs ? id : null;
  }

  #sign(id: string, parameters: Parameters, verb: Verb): Buffer {
    const signed = JSON.stringify([verb, id, ...Object.entries(parameters).flat()]);
    return createHmac('sha256', this.#key).update(signed).digest();
  }
}

/** Where links to files begin. */
export const FILES_PATH = '/files/';

export interface FileUrl {
  /** Path and query; the origin is that of the server. */
  path: string;
  expiresAt: Date;
}

/** What an upload is for. */
export interface UploadTarget {
  id: string;
  sizeBytes: number;
}

type Verb = 'PUT' | 'GET';

type Parameters = { size?: string; viewer?: string; expires: string };

/** An upload has to begin within this time. */
export const UPLOAD_FOR_MS = 15 * 60 * 1_000;
const DOWNLOAD_FOR_MS = 10 * 60 * 1_000;
const SAME_FOR_MS = 5 * 60 * 1_000;
