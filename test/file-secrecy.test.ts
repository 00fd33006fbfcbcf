import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { log } from '../src/log.ts';
import { announce, beginUpload, put, seen, type Upload, whenRead } from './kit/attachment.ts';
import { openReadable } from './kit/database-contents.ts';
import { captureLog } from './kit/log.ts';
import { formsFound } from './kit/secret-scan.ts';
import { startTestServer } from './kit/server.ts';

/**
 * A reader of the log, of an error, of a backup or of the file store must get neither what is in a file nor a link to it: the words
 * of a file and the signatures of its links are searched for in everything that leaves the process, in every common encoding.
 */
const WORDS = `the canary sings ${crypto.randomUUID()} at noon`;

afterEach(() => {
  log.level = 'info';
  vi.restoreAllMocks();
});

test('the words of a file and the signatures of its links are in no log, no error, no row and no stored byte', {
  timeout: 60_000,
}, async () => {
  log.level = 'debug';
  const lines = captureLog();
  const folder = join(await mkdtemp(join(tmpdir(), 'latchkey-canary-')), 'files');
  const database = await openReadable();
  const server = await startTestServer(
    { LATCHKEY_FILES_DIR: folder },
    { database: { ...database, close: async () => {} } },
  );
  const ada = await server.signUp();
  const errors: string[] = [];
  const noteFailure = async (response: Response) => {
    expect(response.status).toBeGreaterThanOrEqual(400);
    errors.push(`${[...response.headers].join()} ${await response.text()}`);
  };
  const bytes = Buffer.from(WORDS);
  const signatures: string[] = [];
  const noteLink = (link: string) => {
    const signature = new URL(link).searchParams.get('signature') ?? expect.unreachable();
    signatures.push(signature);
    return link;
  };
  const announced = async (): Promise<{ id: string; request: Upload }> => {
    const { attachment, upload } = await announce(ada, bytes.length);
    noteLink(upload.url);
    return { id: attachment.id, request: upload };
  };

  const { id, request } = await announced();
  expect((await put(request, bytes)).status).toBe(204);
  await noteFailure(await put(request, bytes));
  await noteFailure(await put(request, Buffer.concat([bytes, bytes])));
  await noteFailure(await put({ ...request, url: `${request.url}A&expires=1` }, bytes));
  await noteFailure(await fetch(request.url));
  const cut = await announced();
  const { socket, answer } = await beginUpload(
    cut.request,
    { 'Content-Length': bytes.length },
    bytes.subarray(0, 20),
  );
  socket.resetAndDestroy();
  errors.push(await answer);

  await whenRead(ada, id);
  const url = noteLink((await seen(ada, id))?.url ?? '');
  expect(await (await fetch(url)).text()).toBe(WORDS);
  await noteFailure(await fetch(url, { headers: { range: 'bytes=9999-' } }));
  await noteFailure(await fetch(`${url}A`.replace('expires=', 'expires=1')));
  await noteFailure(await fetch(url, { method: 'DELETE' }));

  const stored = join(folder, id.slice(-2), `${id}.1`);
  const kept = await readFile(stored);
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) =>
    each.isFile(),
  );
  const files = await Promise.all(names.map(({ parentPath, name }) => readFile(join(parentPath, name))));
  await writeFile(stored, kept.subarray(0, -1));
  await noteFailure(await fetch(url));
  const rows = await database.rows();
  const written = (await database.files()) ?? [];
  await server.close();
  await database.close();

  expect(lines.some((line) => line.includes('/files/'))).toBe(true);
  expect(signatures).toHaveLength(3);
  const places = { lines, errors, rows, files, written };
  for (const [place, held] of Object.entries(places)) {
    expect(held.length, place).toBeGreaterThan(place === 'written' ? -1 : 0);
    for (const secret of [WORDS, ...signatures])
      expect([place, formsFound(held, secret)]).toEqual([place, []]);
  }
  // The search would find them.
  expect(formsFound([`a line with ${WORDS}`], WORDS)).toContain('raw');
});
