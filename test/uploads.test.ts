import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../src/db/id.ts';
import { attachments } from '../src/db/tables/attachment.ts';
import { FileUrls } from '../src/files/file-urls.ts';
import { BodyDeadlines } from '../src/server/body-deadlines.ts';
import {
  announce,
  answerOn,
  beginUpload,
  put,
  seen,
  storedNames,
  upload,
  whenRead,
} from './kit/attachment.ts';
import { eventually } from './kit/eventually.ts';
import { type Cast, change, sharedWorkspace, signUpCast } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { SERVERS, startTestServer, type TestServer } from './kit/server.ts';

const KIB = 1024;

let server: TestServer;
let folder: string;
let ada: Person;

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'latchkey-uploads-')), 'files');
  server = await startTestServer({
    LATCHKEY_FILES_DIR: folder,
    LATCHKEY_MAX_FILE_BYTES: String(2 * KIB * KIB),
    LATCHKEY_MAX_WORKSPACE_BYTES: String(16 * KIB * KIB),
    LATCHKEY_MAX_UPLOADS: '6',
    LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN,
  });
  ada = await server.signUp();
});
afterAll(() => server?.close());

const statusOf = (answer: string) => /^HTTP\/1\.1 (\d+)/m.exec(answer)?.[1];
const codeOf = (answer: string) => /"code":"(\w+)"/.exec(answer)?.[1];

/** The names in the store that belong to an attachment. */
const storedOf = (id: string) => storedNames(folder).filter((name) => name.startsWith(id));

const unfinished = () => storedNames(folder).filter((name) => !name.startsWith('att_'));

describe('an upload is refused before a byte of it is read', () => {
  test.each([
    {
      title: 'more bytes than announced',
      headers: { 'Content-Length': 101 },
      status: '413',
      code: 'WRONG_SIZE',
    },
    {
      title: 'fewer bytes than announced',
      headers: { 'Content-Length': 99 },
      status: '400',
      code: 'WRONG_SIZE',
    },
    {
      title: 'compressed bytes',
      headers: { 'Content-Length': 100, 'Content-Encoding': 'gzip' },
      status: '415',
      code: 'UNSUPPORTED',
    },
    {
      title: 'too many bytes, whose sender asks first',
      headers: { 'Content-Length': 50_000_000_000, Expect: '100-continue' },
      status: '413',
      code: 'WRONG_SIZE',
    },
  ])('an upload is refused before a byte of it is read: $title', async ({ headers, status, code }) => {
    const { attachment, upload: request } = await announce(ada, 100);
    const { answer } = await beginUpload(request, headers);
    const text = await answer;
    expect([statusOf(text), codeOf(text)]).toEqual([status, code]);
    expect(storedOf(attachment.id)).toEqual([]);
    expect(await seen(ada, attachment.id)).toMatchObject({ status: 'WAITING' });
  });

  test.each([
    ['another size', (url: URL) => url.searchParams.set('size', '1000')],
    ['a later end', (url: URL) => url.searchParams.set('expires', '99999999999')],
    ['another signature', (url: URL) => url.searchParams.set('signature', 'A'.repeat(43))],
    ['no signature', (url: URL) => url.searchParams.delete('signature')],
    [
      'another attachment',
      (url: URL) => {
        url.pathname = `/files/${newId('att')}`;
      },
    ],
  ])('an upload is refused before a byte of it is read: a link with %s', async (_title, change) => {
    const { upload: request } = await announce(ada, 100);
    const url = new URL(request.url);
    change(url);
    const response = await put({ ...request, url: url.href }, randomBytes(100));
    expect([response.status, await response.json()]).toMatchObject([403, { code: 'LINK_NOT_VALID' }]);
  });

  test('an upload is refused before a byte of it is read: with a link that has run out, or is one for a download', async () => {
    const urls = new FileUrls(server.app.authSecret);
    const { attachment } = await announce(ada, 100);
    const target = { id: attachment.id, sizeBytes: 100 };
    const longAgo = Date.now() - 15 * 60_000;
    const links = [urls.forUpload(target, longAgo), urls.forDownload(attachment.id, ada.id)];
    for (const { path } of links)
      expect((await fetch(server.url + path, { method: 'PUT', body: randomBytes(100) })).status).toBe(403);
    const { path } = urls.forUpload(target, longAgo + 2_000);
    expect((await fetch(server.url + path, { method: 'PUT', body: randomBytes(100) })).status).toBe(204);
  });
});

describe('an upload of the announced size is kept', () => {
  test.each([
    ['with its length', { 'Content-Length': 100 }, (bytes: Buffer) => bytes],
    [
      'in chunks',
      { 'Transfer-Encoding': 'chunked' },
      (bytes: Buffer) => Buffer.concat([Buffer.from('64\r\n'), bytes, Buffer.from('\r\n0\r\n\r\n')]),
    ],
    ['after it was asked for', { 'Content-Length': 100, Expect: '100-continue' }, (bytes: Buffer) => bytes],
  ])('an upload of the announced size is kept: %s', async (_title, headers, encode) => {
    const { attachment, upload: request } = await announce(ada, 100);
    const bytes = Buffer.from('a'.repeat(100));
    const { answer } = await beginUpload(request, headers, encode(bytes));
    const text = await answer;
    expect([...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].at(-1)?.[1]).toBe('204');
    if ('Expect' in headers) expect(statusOf(text)).toBe('100');
    const read = await whenRead(ada, attachment.id);
    expect(await (await fetch(read.url ?? '')).text()).toBe('a'.repeat(100));
    const again = await put(request, bytes);
    expect([again.status, await again.json()]).toMatchObject([409, { code: 'ALREADY_UPLOADED' }]);
  });

  test.each([
    ['too long', 101, '413'],
    ['too short', 99, '400'],
  ])('chunks that are %s in the end leave nothing', async (_title, size, status) => {
    const { attachment, upload: request } = await announce(ada, 100);
    const chunk = `${size.toString(16)}\r\n${'a'.repeat(size)}\r\n0\r\n\r\n`;
    const headers = { 'Transfer-Encoding': 'chunked' };
    const text = await (await beginUpload(request, headers, Buffer.from(chunk))).answer;
    expect([statusOf(text), codeOf(text)]).toEqual([status, 'WRONG_SIZE']);
    expect(storedOf(attachment.id)).toEqual([]);
    expect((await put(request, Buffer.from('b'.repeat(100)))).status).toBe(204);
  });
});

test('of two uploads of one file the later one counts, and the earlier one leaves nothing', async () => {
  const { attachment, upload: request } = await announce(ada, 4);
  const first = await beginUpload(request, { 'Content-Length': 4 }, Buffer.from('ol'));
  await eventually('the first has begun', () => unfinished().length === 1);
  expect((await put(request, Buffer.from('new.'))).status).toBe(204);
  first.socket.write('d.');
  const text = await first.answer;
  expect([statusOf(text), codeOf(text)]).toEqual(['409', 'ALREADY_UPLOADED']);
  const read = await whenRead(ada, attachment.id);
  expect(await (await fetch(read.url ?? '')).text()).toBe('new.');
  expect(storedOf(attachment.id).sort()).toEqual([`${attachment.id}.2`, `${attachment.id}.text`]);
});

test('an upload that was overtaken by one that has not arrived is not told that the bytes are here', async () => {
  const { attachment, upload: request } = await announce(ada, 4);
  const held: Awaited<ReturnType<typeof beginUpload>>[] = [];
  for (const bytes of ['ol', 'ne']) {
    const before = unfinished().length;
    held.push(await beginUpload(request, { 'Content-Length': 4 }, Buffer.from(bytes)));
    await eventually('it has begun', () => unfinished().length > before);
  }
  const [first, second] = held;
  first?.socket.write('d.');
  const text = (await first?.answer) ?? '';
  expect([statusOf(text), codeOf(text)]).toEqual(['409', 'OVERTAKEN']);
  expect(await seen(ada, attachment.id)).toMatchObject({ status: 'WAITING' });
  second?.socket.destroy();
  expect((await put(request, Buffer.from('last'))).status).toBe(204);
});

test('an upload that is begun again and again is refused in the end', async () => {
  const { attachment, upload: request } = await announce(ada, 4);
  await server.app.db.update(attachments).set({ uploads: 20 }).where(eq(attachments.id, attachment.id));
  const response = await put(request, Buffer.from('text'));
  expect([response.status, await response.json()]).toMatchObject([409, { code: 'TOO_MANY_TRIES' }]);
});

describe('at most', () => {
  async function hold(person: Person): Promise<Awaited<ReturnType<typeof beginUpload>>> {
    const before = unfinished().length;
    const { upload: request } = await announce(person, 10);
    const held = await beginUpload(request, { 'Content-Length': 10 }, Buffer.from('12345'));
    await eventually('the upload has begun', () => unfinished().length > before);
    return held;
  }

  test.runIf(SERVERS === 1)(
    'at most four uploads of a person and a limited number of all are under way',
    async () => {
      const [ben, cleo] = [await server.signUp('Ben'), await server.signUp('Cleo')];
      const held = [await hold(ben), await hold(ben), await hold(ben), await hold(ben)];
      const fifth = (await announce(ben, 4)).upload;
      const refused = await put(fifth, Buffer.from('text'));
      expect([refused.status, await refused.json()]).toMatchObject([429, { code: 'TOO_MANY_UPLOADS' }]);
      expect(refused.headers.get('retry-after')).toBe('5');
      held.push(await hold(cleo), await hold(cleo));
      const seventh = await put((await announce(cleo, 4)).upload, Buffer.from('text'));
      expect([seventh.status, await seventh.json()]).toMatchObject([503, { code: 'TOO_MANY_UPLOADS' }]);
      const first = held.shift() ?? expect.unreachable();
      first.socket.write('67890');
      expect(statusOf(await first.answer)).toBe('204');
      expect((await put(fifth, Buffer.from('text'))).status).toBe(204);
      for (const { socket, answer } of held) {
        socket.write('67890');
        expect(statusOf(await answer)).toBe('204');
      }
    },
  );
});

describe('with the right to write', () => {
  let cast: Cast;
  let workspaceId: string;

  beforeAll(async () => {
    cast = await signUpCast(server);
    workspaceId = await sharedWorkspace(cast);
  });

  test('a file is announced by those who may write in the workspace alone', async () => {
    expect(await announce(cast.viewer, 4, { workspaceId })).toMatchObject({ code: 'NOT_PERMITTED' });
    expect(await announce(cast.stranger, 4, { workspaceId })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await announce(cast.member, 4, { workspaceId })).toMatchObject({
      attachment: { status: 'WAITING' },
    });
  });

  test('a person who loses the right to write can upload nothing any more, also not what has begun', async () => {
    const { member, owner } = cast;
    const waiting = await announce(member, 4, { workspaceId });
    const begun = await announce(member, 4, { workspaceId });
    const held = await beginUpload(begun.upload, { 'Content-Length': 4 }, Buffer.from('te'));
    await eventually('the upload has begun', () => unfinished().length === 1);
    await change(owner, 'update-member', { workspaceId, userId: member.id, role: 'VIEWER' });
    held.socket.write('xt');
    const text = await held.answer;
    expect([statusOf(text), codeOf(text)]).toEqual(['404', 'NOT_FOUND']);
    const late = await put(waiting.upload, Buffer.from('text'));
    expect([late.status, await late.json()]).toMatchObject([404, { code: 'NOT_FOUND' }]);
    expect([...storedOf(begun.attachment.id), ...storedOf(waiting.attachment.id)]).toEqual([]);
    await change(owner, 'update-member', { workspaceId, userId: member.id, role: 'MEMBER' });
    expect((await put(waiting.upload, Buffer.from('text'))).status).toBe(204);
  });

  test('an upload whose attachment is removed or whose workspace is deleted meanwhile leaves nothing', async () => {
    const place = (await change(cast.owner, 'create-workspace', { name: 'Gone' })).workspace.id;
    const announced = [await announce(ada, 4), await announce(cast.owner, 4, { workspaceId: place })];
    const held: Awaited<ReturnType<typeof beginUpload>>[] = [];
    for (const each of announced)
      held.push(await beginUpload(each.upload, { 'Content-Length': 4 }, Buffer.from('te')));
    await eventually('both have begun', () => unfinished().length === 2);
    const [own] = announced;
    await ada.run('remove-attachment', { input: { id: own?.attachment.id } });
    await change(cast.owner, 'delete-workspace', { id: place });
    for (const { socket, answer } of held) {
      socket.write('xt');
      expect(statusOf(await answer)).toBe('404');
    }
    for (const { attachment } of announced) expect(storedOf(attachment.id)).toEqual([]);
  });
});

describe('an announcement is refused', () => {
  test.each([
    [{ sizeBytes: 0 }, 'sizeBytes', '"notes.txt" is empty. Choose another file.'],
    [
      { sizeBytes: 2 * KIB * KIB + 1 },
      'sizeBytes',
      '"notes.txt" has 2.1 MiB, and a file may have at most 2 MiB. Shorten or split it.',
    ],
    [{ fileName: ' \u202e\n ' }, 'fileName', 'The name of a file has between 1 and 255 characters.'],
    [{ fileName: 'a'.repeat(256) }, 'fileName', 'The name of a file has between 1 and 255 characters.'],
  ])('an announcement is refused for %o', async (wrong, path, message) => {
    const input = { workspaceId: ada.workspaceId, fileName: 'notes.txt', sizeBytes: 1, ...wrong };
    expect(await ada.run('create-attachment', { input })).toMatchObject({
      code: 'BAD_INPUT',
      fields: [{ path, message }],
    });
  });

  test('an announcement is refused when the files of the workspace would be too large together, also those that never came', async () => {
    const ben = await server.signUp('Ben');
    const size = 2 * KIB * KIB;
    const announced = await Promise.all(Array.from({ length: 9 }, () => announce(ben, size)));
    const refused = announced.filter(({ code }) => code === 'CONFLICT');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.message).toBe(
      'The files of this workspace have 16 MiB, and may have at most 16 MiB together. Delete threads with files, or ask the operator of this server for more.',
    );
    const [first] = announced.filter(({ code }) => code === undefined);
    await ben.run('remove-attachment', { input: { id: first?.attachment.id } });
    expect(await announce(ben, size)).toMatchObject({ attachment: { status: 'WAITING' } });
  });

  test('an announcement is refused when the files with what was read of them would be too large together', async () => {
    const ben = await server.signUp('Ben');
    const MIB = KIB * KIB;
    const words = 'é'.repeat(500);
    const { id } = await upload(ben, words);
    const [row] = await server.app.db.select().from(attachments).where(eq(attachments.id, id));
    expect(row).toMatchObject({ sizeBytes: 1_000, textLength: 500, textBytes: 1_000, textTokens: 250 });
    const bytes = { sizeBytes: 6 * MIB, textBytes: 5 * MIB, pictureBytes: 4 * MIB };
    await server.app.db.update(attachments).set(bytes).where(eq(attachments.id, id));
    expect(await announce(ben, MIB + 1)).toMatchObject({ code: 'CONFLICT' });
    expect(await announce(ben, MIB)).toMatchObject({ attachment: { status: 'WAITING' } });
  });

  test('an announcement is refused while a person has a hundred files in no message', async () => {
    const ben = await server.signUp('Ben');
    const values = { workspaceId: ben.workspaceId, createdBy: ben.id, fileName: 'a.txt', sizeBytes: 1 };
    await server.app.db.insert(attachments).values(Array.from({ length: 100 }, () => values));
    expect(await announce(ben, 1)).toMatchObject({ code: 'CONFLICT' });
  });

  test('an announcement is refused without a plan that has files, and what is there stays readable', async () => {
    const ben = await server.signUp('Ben');
    const { id } = await upload(ben, 'text');
    await setPlan(server, { userId: ben.id }, 'FREE');
    expect(await announce(ben, 1)).toMatchObject({
      code: 'PLAN_REQUIRED',
      requiredPlan: 'PREMIUM',
      message:
        'Files need the Premium plan. The owner of the workspace can ask the operator of this server for it.',
    });
    expect((await fetch((await seen(ben, id))?.url ?? '')).status).toBe(200);
  });
});

test('the name of a file keeps its words and leads to no other folder', async () => {
  const { attachment } = await announce(ada, 1, { fileName: '../../etc\\pass\u202ewd\n漢字.txt' });
  expect(attachment.fileName).toBe('.._.._etc_passwd 漢字.txt');
});

describe('a page of another origin', () => {
  test('a page of an allowed origin may upload and download with a link, a page of any other may not read the answer', async () => {
    await using allowing = await startTestServer({ LATCHKEY_ALLOWED_ORIGINS: 'https://chat.example.com' });
    const ben = await allowing.signUp('Ben');
    const { upload: request } = await announce(ben, 4);
    const ask = async (origin: string) => {
      const headers = {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type',
      };
      const { status, headers: answer } = await fetch(request.url, { method: 'OPTIONS', headers });
      return [
        status,
        answer.get('access-control-allow-origin'),
        answer.get('access-control-allow-methods'),
        answer.get('access-control-allow-headers'),
      ];
    };
    expect(await ask('https://chat.example.com')).toEqual([
      204,
      'https://chat.example.com',
      'GET, HEAD, PUT',
      'content-type',
    ]);
    expect(await ask('https://evil.example.com')).toEqual([204, null, null, null]);
    const sent = await fetch(request.url, {
      method: 'PUT',
      headers: { origin: 'https://chat.example.com' },
      body: 'text',
    });
    expect([sent.status, sent.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://chat.example.com',
    ]);
    const posted = await fetch(request.url, { method: 'POST', body: 'text' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT']);
  });
});

describe('the time of a body', () => {
  test.each([
    ['in all, however steadily it comes', { totalMs: 300, idleMs: 10_000 }, 100],
    ['without a byte', { totalMs: 10_000, idleMs: 300 }, 2_000],
  ])('the time of a body is limited: %s', async (_title, times, everyMs) => {
    const deadlines = new BodyDeadlines(50);
    const slow = createServer({ requestTimeout: 0 }, (request, response) => {
      deadlines.watch(request, response, times);
      request.on('error', () => {}).resume();
      request.on('end', () => response.end('taken'));
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const { port } = slow.address() as AddressInfo;
    const socket = connect(port);
    socket.on('error', () => {}).write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
    const drip = setInterval(() => socket.write('a'), everyMs);
    const beganAtMs = performance.now();
    const answer = await answerOn(socket);
    clearInterval(drip);
    expect(answer).toBe('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
    expect(performance.now() - beganAtMs).toBeGreaterThan(250);

    const quick = await fetch(`http://127.0.0.1:${port}`, { method: 'PUT', body: 'whole' });
    expect(await quick.text()).toBe('taken');
    deadlines.close();
    await new Promise((resolve) => slow.close(resolve));
  });
});
