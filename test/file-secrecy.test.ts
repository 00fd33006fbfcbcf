import { afterEach, expect, test, vi } from 'vitest';
import { log } from '../src/log.ts';
import { announce, beginUpload, put, seen, type Upload, upload, whenRead } from './kit/attachment.ts';
import { openReadable } from './kit/database-contents.ts';
import { eventually } from './kit/eventually.ts';
import { EACH_FILE_PLACE } from './kit/file-place.ts';
import { captureLog } from './kit/log.ts';
import { makeDocx } from './kit/make-office.ts';
import { makeEncryptedPdf, makePdf } from './kit/make-pdf.ts';
import { makeZip } from './kit/make-zip.ts';
import { say } from './kit/say.ts';
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

test.each(EACH_FILE_PLACE)(
  'the words of a file in %s and the signatures of its links are in no log, no error, no row and no stored byte',
  {
    timeout: 120_000,
  },
  async (title, open) => {
    log.level = 'debug';
    const lines = captureLog();
    await using place = await open();
    const database = await openReadable();
    const server = await startTestServer(place.env, { database: { ...database, close: async () => {} } });
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

    // What readers say of them goes nowhere.
    for (const [fileName, content] of Object.entries(UNREADABLE)) {
      const refused = await upload(ada, content, { fileName });
      expect([fileName, refused.status]).toEqual([fileName, 'REFUSED']);
      errors.push(JSON.stringify(refused));
    }
    await eventually('their bytes are gone', () => place.names().length === 2);

    const stored = `${id}.1`;
    const kept = await place.read(stored);
    const files = await Promise.all(place.names().map(place.read));
    await place.write(stored, kept.subarray(0, -1));
    await noteFailure(await fetch(url));
    const rows = await database.rows();
    const written = (await database.files()) ?? [];
    await server.close();
    await database.close();

    expect(lines.some((line) => line.includes('/files/'))).toBe(true);
    expect(signatures).toHaveLength(3);
    const places = { lines, errors, rows, files, written, asked: place.asked() };
    for (const [where, held] of Object.entries(places)) {
      expect(held.length, where).toBeGreaterThan(where === 'written' || where === 'asked' ? -1 : 0);
      for (const secret of [WORDS, ...signatures])
        expect([where, formsFound(held, secret)]).toEqual([where, []]);
    }
    // The search would find them.
    expect(formsFound([`a line with ${WORDS}`], WORDS)).toContain('raw');
    say(
      `the words of a file in ${title} and ${signatures.length} signatures: in none of ${lines.length} lines of the log, ` +
        `${errors.length} errors, ${rows.length} rows, ${files.length} stored files, ${places.asked.length} requests to the bucket`,
    );
  },
);

/** Files with the words in them that end in different readers, and end badly. */
const UNREADABLE: Record<string, Uint8Array> = {
  'locked.pdf': makeEncryptedPdf(WORDS, 'secret'),
  'half.pdf': Buffer.from(
    makePdf([WORDS]).toString('latin1').replace('/Type/Pages', '/Type/Nothing'),
    'latin1',
  ).subarray(0, -200),
  'broken.docx': makeDocx(`<w:p>${WORDS}</w:q>`),
  'archive.zip': makeZip([{ name: `${WORDS}.txt`, data: WORDS }]),
  'camera.tiff': Buffer.concat([Buffer.from('49492a00080000000000', 'hex'), Buffer.from(WORDS)]),
};
