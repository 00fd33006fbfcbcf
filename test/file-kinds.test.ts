import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { attachments } from '../src/db/tables/attachment.ts';
import type { FileDeps } from '../src/files/file-deps.ts';
import { ReadingQueue } from '../src/files/reading/reading-queue.ts';
import { REFUSALS, type RefusalName } from '../src/files/reading/refusals.ts';
import { sweepFiles } from '../src/files/sweep.ts';
import { announce, put, READ_WITHIN_MS, type SeenAttachment, seen, upload } from './kit/attachment.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { programOf, readers, untilReading } from './kit/file-reader.ts';
import { captureLog } from './kit/log.ts';
import {
  makeDocx,
  makeEncryptedOffice,
  makeOdt,
  makePptx,
  makeXlsx,
  wordParagraph,
} from './kit/make-office.ts';
import { makeEncryptedPdf, makePdf, makeScannedPdf } from './kit/make-pdf.ts';
import { makePng } from './kit/make-png.ts';
import { makeZip } from './kit/make-zip.ts';
import type { Person } from './kit/person.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** A file of every kind, uploaded as a client does it, and what the client then sees. */

let server: TestServer;
let people: [Person, Person];
const neverAborted = new AbortController().signal;

beforeAll(async () => {
  // The sweep looks at all files, and those of other tests are none of its business.
  server = await startTestServer({}, { database: await freshDatabase() });
  // Never are two files of one person read at a time.
  people = [await server.signUp(), await server.signUp()];
});
afterAll(() => server?.close());
afterEach(() => vi.restoreAllMocks());

const factsOf = ({
  status,
  kind,
  mediaType,
  width,
  height,
  pageCount,
  refusal,
  refusalCode,
}: SeenAttachment) => ({
  status,
  kind,
  mediaType,
  width,
  height,
  pageCount,
  refusal,
  refusalCode,
});

/** Uploads them and gives what each became, by its name. */
async function uploadAll(files: Record<string, Uint8Array>): Promise<Record<string, object>> {
  const left = Object.entries(files);
  const found: Record<string, object> = {};
  const takeOne = async (person: Person) => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [fileName, bytes] = next;
      found[fileName] = factsOf(await upload(person, bytes, { fileName }));
    }
  };
  await Promise.all(people.map(takeOne));
  return found;
}

const READY = { status: 'READY', refusal: null, refusalCode: null };
const NO_SIZE = { width: null, height: null };
const TEXT = { ...READY, kind: 'TEXT', ...NO_SIZE, pageCount: null };
const DOCUMENT = { ...READY, kind: 'DOCUMENT', ...NO_SIZE, pageCount: null };
const IMAGE = { ...READY, kind: 'IMAGE', width: 60, height: 40, pageCount: null };
const OFFICE = 'application/vnd.openxmlformats-officedocument';

test('a file of every kind that is taken becomes READY, with what it is and how large', {
  timeout: 120_000,
}, async () => {
  const picture = sharp({ create: { width: 60, height: 40, channels: 3, background: 'teal' } });
  const files: [name: string, bytes: Uint8Array | string, facts: object][] = [
    ['a.png', await picture.png().toBuffer(), { ...IMAGE, mediaType: 'image/png' }],
    ['a.jpeg', await picture.jpeg().toBuffer(), { ...IMAGE, mediaType: 'image/jpeg' }],
    ['a.webp', await picture.webp().toBuffer(), { ...IMAGE, mediaType: 'image/webp' }],
    ['a.gif', await picture.gif().toBuffer(), { ...IMAGE, mediaType: 'image/gif' }],
    [
      'a.pdf',
      makePdf(['one', 'two']),
      { ...READY, kind: 'PDF', mediaType: 'application/pdf', ...NO_SIZE, pageCount: 2 },
    ],
    [
      'scan.pdf',
      makeScannedPdf(),
      { ...READY, kind: 'PDF', mediaType: 'application/pdf', ...NO_SIZE, pageCount: 1 },
    ],
    ['a.txt', 'words', { ...TEXT, mediaType: 'text/plain' }],
    ['a.csv', 'a,b\n1,2\n', { ...TEXT, mediaType: 'text/csv' }],
    ['a.json', '{"a":1}', { ...TEXT, mediaType: 'application/json' }],
    ['a.md', '# Title\n', { ...TEXT, mediaType: 'text/markdown' }],
    ['a.ts', 'export const a = 1;\n', { ...TEXT, mediaType: 'text/plain' }],
    [
      'a.docx',
      makeDocx(wordParagraph('words')),
      { ...DOCUMENT, mediaType: `${OFFICE}.wordprocessingml.document` },
    ],
    [
      'a.xlsx',
      makeXlsx([{ name: 'One', rows: '<row r="1"><c r="A1"><v>1</v></c></row>' }]),
      { ...DOCUMENT, mediaType: `${OFFICE}.spreadsheetml.sheet` },
    ],
    ['a.pptx', makePptx(['words']), { ...DOCUMENT, mediaType: `${OFFICE}.presentationml.presentation` }],
    [
      'a.odt',
      makeOdt('<text:p>words</text:p>'),
      { ...DOCUMENT, mediaType: 'application/vnd.oasis.opendocument.text' },
    ],
    // What it is follows from its content.
    ['a-picture.pdf', await picture.png().toBuffer(), { ...IMAGE, mediaType: 'image/png' }],
  ];
  const found = await uploadAll(Object.fromEntries(files.map(([name, bytes]) => [name, Buffer.from(bytes)])));
  expect(found).toEqual(Object.fromEntries(files.map(([name, , facts]) => [name, facts])));
  say(`${files.length} files of every kind became READY`);
});

test('a file that is not taken becomes REFUSED, with a sentence and a code', {
  timeout: 120_000,
}, async () => {
  const refused: [name: string, bytes: Uint8Array | string, refusal: RefusalName][] = [
    ['a.zip', makeZip([{ name: 'a.txt', data: 'an archive' }]), 'ARCHIVE'],
    ['a.heic', Buffer.from('00000018667479706865696300000000', 'hex'), 'OTHER_PICTURE'],
    ['a.wav', Buffer.from('RIFF\x24\0\0\0WAVEfmt \x10\0\0\0'), 'SOUND_OR_VIDEO'],
    ['a.rtf', '{\\rtf1\\ansi words}', 'OTHER_DOCUMENT'],
    ['a.exe', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(600)]), 'UNKNOWN_TYPE'],
    ['locked.pdf', makeEncryptedPdf('words', 'secret'), 'ENCRYPTED'],
    ['locked.docx', makeEncryptedOffice(), 'ENCRYPTED'],
    ['half.pdf', makePdf(['words']).subarray(0, 300), 'DAMAGED'],
    ['half.png', makePng(300, 300).subarray(0, 60), 'DAMAGED'],
    ['huge.png', makePng(20_000, 20_000), 'TOO_MANY_PIXELS'],
  ];
  const found = await uploadAll(
    Object.fromEntries(refused.map(([name, bytes]) => [name, Buffer.from(bytes)])),
  );
  const nothing = { status: 'REFUSED', kind: null, mediaType: null, ...NO_SIZE, pageCount: null };
  const expected = refused.map(([name, , refusal]) => {
    const { code, reason } = REFUSALS[refusal];
    return [name, { ...nothing, refusal: reason, refusalCode: code }];
  });
  expect(found).toEqual(Object.fromEntries(expected));
  say(`${refused.length} files that are not taken became REFUSED, each with its sentence`);
});

describe('a reading that fails for a reason of the server', () => {
  async function forsaken(content: string): Promise<string> {
    const { id } = await upload(people[0], content);
    await server.app.db
      .update(attachments)
      .set({ status: 'READING', readings: 1, readingSince: null })
      .where(eq(attachments.id, id));
    return id;
  }

  /** A sweep of a server on which something is out of order. Resolves when the readings that it began have ended. */
  async function sweepWith(broken: Partial<FileDeps>): Promise<void> {
    const work: Promise<void>[] = [];
    await sweepFiles({ ...server.app, ...broken, track: (reading) => work.push(reading) });
    await Promise.all(work);
  }

  const closedQueue = async () => {
    const readingQueue = new ReadingQueue();
    await readingQueue.close();
    return { readingQueue };
  };
  const fullQueue = async () => {
    const readingQueue = new ReadingQueue();
    const never = () => readingQueue.run(people[0].id, neverAborted, () => new Promise<never>(() => {}));
    for (let begun = 0; begun < 101; begun++) never().catch(() => {});
    return { readingQueue };
  };
  const storeAway = async () => {
    const open = () => Promise.reject(new Error('the bucket is away'));
    return { fileStore: { ...server.app.fileStore, open } };
  };
  const noReader = async () => ({ readerProgram: programOf('misbehaving') }); // which ends at once, as the file says

  test.each([
    ['the queue is full', fullQueue],
    ['the queue is closed', closedQueue],
    ['the store is away', storeAway],
    ['the reader does not start', noReader],
  ])('a file stays READING, however often, and is read by a later sweep: %s', async (_title, breakIt) => {
    captureLog();
    const id = await forsaken('exit\n');
    const broken = await breakIt();
    for (let round = 0; round < 5; round++) {
      await sweepWith(broken);
      expect(await seen(people[0], id)).toMatchObject({ status: 'READING', refusal: null });
    }
    await sweepWith({});
    expect(await seen(people[0], id)).toMatchObject({ status: 'READY', kind: 'TEXT' });
  });
});

test('a server that closes ends the readers of files, and the next one reads what they had not', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'latchkey-kinds-')), 'files');
  const opened = await freshDatabase();
  const database = { ...opened, close: async () => {} };
  const first = await startTestServer({ LATCHKEY_FILES_DIR: folder }, { database });
  for (const app of first.apps) app.readerProgram = programOf('misbehaving');
  const [ada, ben] = [await first.signUp(), await first.signUp()];
  const ids: string[] = [];
  // One of each person is read, and one waits.
  for (const person of [ada, ben, ada, ben]) {
    const { attachment, upload: request } = await announce(person, 5);
    expect((await put(request, Buffer.from('wait\n'))).status).toBe(204);
    ids.push(attachment.id);
  }
  await untilReading(2);
  await first.close();
  expect(readers()).toEqual([]);
  const columns = {
    status: attachments.status,
    readings: attachments.readings,
    since: attachments.readingSince,
  };
  const rows = await opened.db.select(columns).from(attachments);
  expect(rows).toEqual(Array(4).fill({ status: 'READING', readings: 0, since: null }));

  await using _next = await startTestServer({ LATCHKEY_FILES_DIR: folder }, { database });
  await eventually(
    'all are read',
    async () => (await opened.db.$count(attachments, eq(attachments.status, 'READY'))) === ids.length,
    READ_WITHIN_MS,
  );
});
