import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { newId } from '../src/db/id.ts';
import { attachments } from '../src/db/tables/attachment.ts';
import { FileUrls } from '../src/files/file-urls.ts';
import { parseByteRange } from '../src/server/byte-range.ts';
import { savedAs } from '../src/server/content-disposition.ts';
import { announce, seen, storedNames, upload } from './kit/attachment.ts';
import { captureErrors } from './kit/log.ts';
import { type Cast, change, letIn, newWorkspace, sharedWorkspace, signUpCast } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { OPERATOR_TOKEN, postAsOperator } from './kit/plan.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let folder: string;
let ada: Person;

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'latchkey-downloads-')), 'files');
  server = await startTestServer({
    LATCHKEY_FILES_DIR: folder,
    LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN,
  });
  ada = await server.signUp();
});
afterAll(() => server?.close());
afterEach(() => vi.restoreAllMocks());

const MINUTE_MS = 60_000;
const WORDS = 'The words of a file. '.repeat(10_000); // four boxes

/** A file that Ada has uploaded, with its link. */
async function uploaded(text: string | Uint8Array = WORDS, fileName = 'notes.txt') {
  const attachment = await upload(ada, text, { fileName });
  return { id: attachment.id, url: attachment.url ?? expect.unreachable() };
}

test('a file is served to be saved and never shown, with headers that keep a browser from running it', async () => {
  const { id, url } = await uploaded('<script>alert(1)</script>', 'naïve "page".html');
  const response = await fetch(url);
  const { date, 'x-request-id': requestId, etag, ...headers } = Object.fromEntries(response.headers);
  expect(await response.text()).toBe('<script>alert(1)</script>');
  expect([response.status, etag]).toEqual([200, `"${id}"`]);
  const digest = createHash('sha256').update('<script>alert(1)</script>').digest('base64');
  expect(headers['repr-digest']).toBe(`sha-256=:${digest}:`);
  expect(headers).toMatchInlineSnapshot(`
    {
      "accept-ranges": "bytes",
      "cache-control": "private, no-cache",
      "connection": "keep-alive",
      "content-disposition": "attachment; filename="na_ve _page_.html"; filename*=UTF-8''na%C3%AFve%20%22page%22.html",
      "content-length": "25",
      "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
      "content-type": "application/octet-stream",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "cross-origin",
      "keep-alive": "timeout=5",
      "referrer-policy": "no-referrer",
      "repr-digest": "sha-256=:XBQNNdy0amIuLO3171zDY4zf/RwRjJMx+MhGafC3R4M=:",
      "vary": "origin",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    }
  `);
});

describe('a range', () => {
  test.each([
    ['bytes=0-3', 206, [0, 4]],
    ['bytes=65530-65545', 206, [65_530, 65_546]],
    ['bytes=-4', 206, [WORDS.length - 4, WORDS.length]],
    ['bytes=209990-', 206, [209_990, WORDS.length]],
    ['bytes=0-99999999999999999999', 206, [0, WORDS.length]],
    ['bytes=-99999999999', 206, [0, WORDS.length]],
    ['bytes=0-0', 206, [0, 1]],
    ['bytes=0-1,4-5', 200, [0, WORDS.length]],
    ['bytes=5-2', 200, [0, WORDS.length]],
    ['bytes=a-b', 200, [0, WORDS.length]],
    ['lines=1-2', 200, [0, WORDS.length]],
    ['bytes=-', 200, [0, WORDS.length]],
    ['bytes=210000-', 416, null],
    ['bytes=-0', 416, null],
  ] as const)(
    'a range is served alone, and one that is none is ignored: %s',
    async (range, status, place) => {
      const { url } = await uploadedOnce();
      for (const method of ['GET', 'HEAD']) {
        const response = await fetch(url, { method, headers: { range } });
        const body = await response.text();
        expect(response.status).toBe(status);
        if (place === null) {
          expect(response.headers.get('content-range')).toBe(`bytes */${WORDS.length}`);
          continue;
        }
        const [start, end] = place;
        expect(response.headers.get('content-length')).toBe(String(end - start));
        expect(body === (method === 'HEAD' ? '' : WORDS.slice(start, end))).toBe(true);
        expect(response.headers.get('content-range')).toBe(
          status === 206 ? `bytes ${start}-${end - 1}/${WORDS.length}` : null,
        );
      }
    },
  );

  test('a range of any place is a range of the whole', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(30), fc.integer({ min: 1, max: 20 }), (first, last, length) => {
        const parsed = parseByteRange(`bytes=${first}-${last}`, length);
        if (last < first) return parsed.type === 'whole';
        if (first >= length) return parsed.type === 'unsatisfiable';
        return (
          parsed.type === 'part' &&
          parsed.range.start === first &&
          parsed.range.end === Math.min(last + 1, length)
        );
      }),
    );
  });

  test('a range is served only of the file that the client has a part of, and a whole one not again', async () => {
    const { id, url } = await uploadedOnce();
    const statusWith = async (headers: Record<string, string>) => (await fetch(url, { headers })).status;
    expect(await statusWith({ range: 'bytes=0-3', 'if-range': `"${id}"` })).toBe(206);
    expect(await statusWith({ range: 'bytes=0-3', 'if-range': '"another"' })).toBe(200);
    expect(await statusWith({ 'if-none-match': `"${id}"` })).toBe(304);
    expect(await statusWith({ 'if-none-match': '"another"' })).toBe(200);
  });
});

let once: ReturnType<typeof uploaded> | undefined;

function uploadedOnce(): ReturnType<typeof uploaded> {
  once ??= uploaded();
  return once;
}

test.each([
  ['a.pdf', `attachment; filename="a.pdf"; filename*=UTF-8''a.pdf`],
  [
    'naïve “quote".pdf',
    `attachment; filename="na_ve _quote_.pdf"; filename*=UTF-8''na%C3%AFve%20%E2%80%9Cquote%22.pdf`,
  ],
  [
    'x\r\nSet-Cookie: a=b.txt',
    `attachment; filename="x__Set-Cookie: a=b.txt"; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20a%3Db.txt`,
  ],
  ["it's (1)*.txt", `attachment; filename="it's (1)*.txt"; filename*=UTF-8''it%27s%20%281%29%2A.txt`],
  ['100%.txt', `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`],
  ['漢字.docx', `attachment; filename="__.docx"; filename*=UTF-8''%E6%BC%A2%E5%AD%97.docx`],
])('the name %j is written so that no header breaks and no browser misreads it', (name, header) => {
  expect(savedAs(name)).toBe(header);
});

describe('a link', () => {
  const urls = new FileUrls('a secret');
  const read = (path: string, nowMs: number) => urls.readDownload(new URL(`http://x${path}`), nowMs);

  test('a link is the same for five minutes, and good for five minutes at least and ten at most', () => {
    const startMs = 7 * 5 * MINUTE_MS;
    const { path, expiresAt } = urls.forDownload('att_1', 'usr_1', startMs);
    expect(urls.forDownload('att_1', 'usr_1', startMs + 5 * MINUTE_MS - 1).path).toBe(path);
    expect(urls.forDownload('att_1', 'usr_1', startMs + 5 * MINUTE_MS).path).not.toBe(path);
    expect(expiresAt).toEqual(new Date(startMs + 10 * MINUTE_MS));
    expect(read(path, startMs + 10 * MINUTE_MS - 1)).toEqual({ id: 'att_1', viewerId: 'usr_1' });
    expect(read(path, startMs + 10 * MINUTE_MS)).toBeNull();
  });

  test('a link that was changed, was made with another secret or is for an upload opens nothing', () => {
    const { path } = urls.forDownload('att_1', 'usr_1', 0);
    for (const changed of [
      path.replace('att_1', 'att_2'),
      path.replace('usr_1', 'usr_2'),
      path.replace(/expires=\d+/, 'expires=99999999999'),
      path.replace(/signature=.*/, ''),
      path.replace(/signature=.*/, 'signature='),
      new FileUrls('another secret').forDownload('att_1', 'usr_1', 0).path,
      urls.forUpload({ id: 'att_1', sizeBytes: 1 }, 0).path,
    ])
      expect(read(changed, 0)).toBeNull();
    expect(urls.readUpload(new URL(`http://x${path}`), 0)).toBeNull();
  });
});

describe('the rights at the moment', () => {
  let cast: Cast;
  let workspaceId: string;

  beforeAll(async () => {
    cast = await signUpCast(server);
    workspaceId = await sharedWorkspace(cast);
  });

  const answerOf = async (url: string) => {
    const response = await fetch(url);
    return `${response.status} ${await response.text()}`;
  };
  const NOT_FOUND =
    '404 {"code":"NOT_FOUND","message":"There is no such file, or you have no access to it."}';

  test('a link of a person who left the workspace opens nothing any more, and like one of nothing', async () => {
    const { member, owner } = cast;
    const { id, url } = await upload(member, 'text', { workspaceId });
    expect(await answerOf(url ?? '')).toBe('200 text');
    await change(owner, 'remove-member', { workspaceId, userId: member.id });
    expect(await answerOf(url ?? '')).toBe(NOT_FOUND);
    const ofNothing = server.app.fileUrls.forDownload(newId('att'), member.id);
    expect(await answerOf(server.url + ofNothing.path)).toBe(NOT_FOUND);
    expect(await seen(member, id)).toBeNull();
    await letIn(owner, workspaceId, member, 'MEMBER');
    expect(await answerOf(url ?? '')).toBe('200 text');
  });

  test('a file is its uploader’s alone until a message refers to it, also for the owner of the workspace', async () => {
    const { member, owner, stranger } = cast;
    const { id } = await upload(member, 'text', { workspaceId });
    for (const person of [owner, stranger]) {
      expect(await seen(person, id)).toBeNull();
      const link = server.app.fileUrls.forDownload(id, person.id);
      expect(await answerOf(server.url + link.path)).toBe(NOT_FOUND);
    }
  });

  test('a link of a disabled account opens nothing', async () => {
    const ben = await server.signUp('Ben');
    const { url } = await upload(ben, 'text');
    await postAsOperator(server.url, { input: { userId: ben.id } }, undefined, 'disable-user');
    expect(await answerOf(url ?? '')).toBe(NOT_FOUND);
  });

  test('a file that waits for its bytes or was refused has no link, and a made-up one opens nothing', async () => {
    const { attachment } = await announce(ada, 10);
    const refused = await upload(ada, randomBytes(100));
    expect(refused).toMatchObject({ status: 'REFUSED', url: null, urlExpiresAt: null });
    for (const { id } of [attachment, refused])
      expect(await answerOf(server.url + server.app.fileUrls.forDownload(id, ada.id).path)).toBe(NOT_FOUND);
    expect(storedNames(folder).filter((name) => name.startsWith(refused.id))).toEqual([]);
  });

  test('a file in a deleted workspace opens nothing', async () => {
    const place = await newWorkspace(ada);
    const { url } = await upload(ada, 'text', { workspaceId: place });
    await change(ada, 'delete-workspace', { id: place });
    expect(await answerOf(url ?? '')).toBe(NOT_FOUND);
  });
});

describe('a store that was tampered with', () => {
  const pathOf = (id: string, part = '1') => join(folder, id.slice(-2), `${id}.${part}`);
  const fail = async (url: string) => {
    const response = await fetch(url);
    return `${response.status} ${await response.text().catch(() => 'cut off')}`;
  };

  test('bytes that were changed, cut, exchanged or removed are never served', async () => {
    const errors = captureErrors();
    const [one, two] = [await uploaded(), await uploaded()];
    const bytes = await readFile(pathOf(one.id));
    const changed = Buffer.from(bytes);
    changed[40] = (changed[40] ?? 0) ^ 1;
    const late = Buffer.from(bytes);
    late[bytes.length - 1] = (late[bytes.length - 1] ?? 0) ^ 1;
    await writeFile(pathOf(one.id), changed);
    expect(await fail(one.url)).toBe('500 Unexpected error.\n');
    await writeFile(pathOf(one.id), late);
    expect(await fail(one.url)).toBe('200 cut off');
    await writeFile(pathOf(one.id), bytes.subarray(0, 32 + 65_552));
    expect(await fail(one.url)).toBe('500 Unexpected error.\n');
    await writeFile(pathOf(one.id), await readFile(pathOf(two.id)));
    expect(await fail(one.url)).toBe('500 Unexpected error.\n');
    await rm(pathOf(one.id));
    expect(await fail(one.url)).toBe('500 Unexpected error.\n');
    await writeFile(pathOf(one.id), bytes);
    expect(await fail(one.url)).toBe(`200 ${WORDS}`);
    expect(errors.map((line) => (JSON.parse(line) as { failure: string }).failure)).toEqual([
      'SealError',
      'SealError',
      'SealError',
      'SealError',
      'MissingFileError',
    ]);
  });

  test('a row that was given another name, key or workspace does not open the bytes of another file', async () => {
    captureErrors();
    const [one, two] = [await uploaded(), await uploaded()];
    const rowOf = async (id: string) =>
      (await server.app.db.select().from(attachments).where(eq(attachments.id, id)))[0] ??
      expect.unreachable();
    const { rootId, generation, version, ciphertext, tag } = await rowOf(two.id);
    const key = { rootId, generation, version, ciphertext, tag };
    const before = await rowOf(one.id);
    await server.app.db.update(attachments).set(key).where(eq(attachments.id, one.id));
    expect(await fail(one.url)).toBe('500 Unexpected error.\n');
    await server.app.db.update(attachments).set(before).where(eq(attachments.id, one.id));
    expect(await fail(one.url)).toBe(`200 ${WORDS}`);
    const elsewhere = { ...before, workspaceId: await newWorkspace(ada) };
    await server.app.db.update(attachments).set(elsewhere).where(eq(attachments.id, one.id));
    expect(await fail(one.url)).toBe('500 Unexpected error.\n');
  });
});
