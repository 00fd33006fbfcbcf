import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { eventually } from './eventually.ts';
import type { Person } from './person.ts';

/** An attachment as the shared operations give it. */
export interface SeenAttachment {
  id: string;
  fileName: string;
  kind: string | null;
  mediaType: string | null;
  sizeBytes: number;
  width: number | null;
  height: number | null;
  pageCount: number | null;
  status: string;
  refusal: string | null;
  refusalCode: string | null;
  url: string | null;
  urlExpiresAt: string | null;
}

export interface Upload {
  url: string;
  method: string;
  headers: { name: string; value: string }[];
  expiresAt: string;
}

export interface CreateResult {
  __typename: string;
  code: string;
  message: string;
  attachment: SeenAttachment;
  upload: Upload;
}

/** Announces a file of so many bytes. */
export async function announce(
  person: Person,
  sizeBytes: number,
  { fileName = 'notes.txt', workspaceId = person.workspaceId } = {},
): Promise<CreateResult> {
  return await person.run<CreateResult>('create-attachment', { input: { workspaceId, fileName, sizeBytes } });
}

/** Sends bytes as a client would. */
export async function put(
  { url, method, headers }: Upload,
  body: Uint8Array | ReadableStream<Uint8Array>,
): Promise<Response> {
  const isStream = body instanceof ReadableStream;
  return await fetch(url, {
    method,
    headers: headers.map(({ name, value }): [string, string] => [name, value]),
    body: isStream ? body : new Uint8Array(body),
    ...(isStream && { duplex: 'half' }),
  } as RequestInit);
}

/** Uploads a file and gives it once it was read. */
export async function upload(
  person: Person,
  content: string | Uint8Array,
  place: { fileName?: string; workspaceId?: string } = {},
): Promise<SeenAttachment> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const created = await announce(person, bytes.length, place);
  if (created.__typename !== 'CreateAttachmentPayload') throw new Error(JSON.stringify(created));
  const response = await put(created.upload, bytes);
  if (response.status !== 204) throw new Error(`${response.status} ${await response.text()}`);
  return await whenRead(person, created.attachment.id);
}

/** The attachment once it is READY or REFUSED. */
export async function whenRead(person: Person, id: string): Promise<SeenAttachment> {
  const look = async () => {
    const found = await seen(person, id);
    return found !== null && found.status !== 'WAITING' && found.status !== 'READING' && found;
  };
  return await eventually(`${id} is read`, look, READ_WITHIN_MS);
}

/** On a busy machine. The process that reads a file starts for it. */
export const READ_WITHIN_MS = 60_000;

/** The attachment as this person sees it; null if they do not. */
export async function seen(person: Person, id: string): Promise<SeenAttachment | null> {
  return await person.run<SeenAttachment | null>('attachment', { id });
}

/** The head of an upload as bytes on the wire, with these headers. */
export function headOf({ url, method }: Upload, headers: Readonly<Record<string, string | number>>): string {
  const { host, pathname, search } = new URL(url);
  const lines = Object.entries({ Host: host, ...headers }).map(([name, value]) => `${name}: ${value}`);
  return `${[`${method} ${pathname}${search} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}

/** An upload that has begun, whose bytes the test sends when it likes. */
export interface HeldUpload {
  socket: Socket;
  /** Everything that the server has answered, once it has closed the connection. */
  answer: Promise<string>;
}

/** Opens a connection and sends the head of an upload, and these bytes. */
export async function beginUpload(
  upload: Upload,
  headers: Readonly<Record<string, string | number>>,
  bytes: Uint8Array = new Uint8Array(0),
): Promise<HeldUpload> {
  const socket = connect(Number(new URL(upload.url).port));
  await once(socket, 'connect');
  socket.write(headOf(upload, { Connection: 'close', ...headers }));
  socket.write(bytes);
  return { socket, answer: answerOn(socket) };
}

/** Everything that comes back on a connection until it is closed, or reset. */
export async function answerOn(socket: Socket): Promise<string> {
  let text = '';
  try {
    for await (const chunk of socket) text += Buffer.from(chunk).toString('latin1');
  } catch {
    // The connection was reset, after or before an answer.
  }
  return text;
}

/** The names of all files of a store in a folder, unfinished ones included. */
export function storedNames(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
