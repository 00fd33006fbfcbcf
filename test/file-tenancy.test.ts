import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../src/db/id.ts';
import { announce, put, type Upload, upload } from './kit/attachment.ts';
import { type Cast, change, letIn, sharedWorkspace, signUpCast } from './kit/people.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { inWorkspace, newThread } from './kit/place.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/**
 * Nobody may get at a file over HTTP that they may not see, nor put bytes into an upload of another person: every person tries
 * every file with a link of their own, and with the links of others changed to their own name. The answer about a file of another
 * person is byte for byte that about one that does not exist.
 */
type ActorName = keyof Cast | 'removed';

const ACTORS: readonly ActorName[] = ['owner', 'admin', 'member', 'viewer', 'stranger', 'removed'];
const MEMBERS: readonly ActorName[] = ['owner', 'admin', 'member', 'viewer'];

interface FileOfTest {
  title: string;
  id: string;
  link: string;
  seenBy: readonly ActorName[];
}

let server: TestServer;
let people: Record<ActorName, Person>;
let workspaceId: string;
let files: FileOfTest[];

beforeAll(async () => {
  server = await startTestServer();
  const cast = await signUpCast(server);
  people = { ...cast, removed: await server.signUp('Rita') };
  workspaceId = await sharedWorkspace(cast);
  await letIn(cast.owner, workspaceId, people.removed, 'MEMBER');
  const { models } = await inWorkspace(cast.owner, workspaceId).addKey();
  files = [
    await fileOf('member', 'in an open thread', MEMBERS, await newThread(people.member, workspaceId), models),
    await fileOf('member', 'in a private thread', ['member'], await privateThread('member'), models),
    await fileOf('member', 'that was not sent', ['member']),
    await fileOf(
      'removed',
      'in an open thread',
      MEMBERS,
      await newThread(people.removed, workspaceId),
      models,
    ),
    await fileOf('removed', 'in a private thread', [], await privateThread('removed'), models),
    await fileOf('removed', 'that was not sent', []),
  ];
  const own = await upload(people.stranger, 'of the stranger');
  files.push({ title: 'of the stranger', id: own.id, link: own.url ?? '', seenBy: ['stranger'] });
  await change(people.owner, 'remove-member', { workspaceId, userId: people.removed.id });
});
afterAll(() => server?.close());

async function privateThread(creator: ActorName): Promise<string> {
  const input = { workspaceId };
  return (await people[creator].run<{ thread: { id: string } }>('create-thread', { input })).thread.id;
}

async function fileOf(
  creator: ActorName,
  title: string,
  seenBy: readonly ActorName[],
  threadId?: string,
  models: readonly NamedModel[] = [],
): Promise<FileOfTest> {
  const person = people[creator];
  const { id, url } = await upload(person, `of ${creator} ${title}`, { workspaceId });
  const modelIds = models.slice(0, 1).map((model) => model.id);
  if (threadId !== undefined)
    await person.run('send-message', { input: { threadId, text: 'Look.', attachmentIds: [id], modelIds } });
  return { title: `of ${creator} ${title}`, id, link: url ?? '', seenBy };
}

/** All of an answer but what differs between two equal ones. */
async function answerTo(link: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(link, init);
  const { date, 'x-request-id': requestId, ...headers } = Object.fromEntries(response.headers);
  return `${response.status} ${JSON.stringify(headers)} ${await response.text()}`;
}

test('a link of one’s own opens the files that one sees, and is otherwise like one to a file that does not exist', async () => {
  let opened = 0;
  let refused = 0;
  for (const actor of ACTORS) {
    const linkTo = (id: string) => server.url + server.app.fileUrls.forDownload(id, people[actor].id).path;
    for (const { title, id, seenBy } of files)
      for (const method of ['GET', 'HEAD'])
        for (const headers of [{}, { range: 'bytes=0-1' }] as HeadersInit[]) {
          const answer = await answerTo(linkTo(id), { method, headers });
          const isSeen = seenBy.includes(actor);
          if (isSeen) opened += 1;
          else refused += 1;
          expect([actor, title, method, answer.slice(0, 4)]).toEqual([
            actor,
            title,
            method,
            isSeen ? ('range' in headers ? '206 ' : '200 ') : '404 ',
          ]);
          if (!isSeen) expect(answer).toBe(await answerTo(linkTo(newId('att')), { method, headers }));
        }
  }
  say(`GET and HEAD: ${opened} opened, ${refused} refused like what does not exist`);
});

test('a link that was changed for another person, file or verb opens nothing', async () => {
  const refused = '403 ';
  for (const { link, id } of files) {
    for (const actor of ACTORS) {
      const url = new URL(link);
      if (url.searchParams.get('viewer') === people[actor].id) continue;
      url.searchParams.set('viewer', people[actor].id);
      expect((await answerTo(url.href)).slice(0, 4)).toBe(refused);
    }
    for (const other of files.filter((file) => file.id !== id))
      expect((await answerTo(link.replace(id, other.id))).slice(0, 4)).toBe(refused);
    expect((await answerTo(link, { method: 'PUT', body: 'bytes' })).slice(0, 4)).toBe(refused);
    const asUpload = link.replace(/viewer=\w+/, 'size=5');
    expect((await answerTo(asUpload, { method: 'PUT', body: 'bytes' })).slice(0, 4)).toBe(refused);
  }
});

test('an upload takes bytes only while its person may write, and is otherwise like one that does not exist', async () => {
  const linkFor = (upload: Upload) => new URL(upload.url);
  for (const actor of ['owner', 'admin', 'member'] as const) {
    const { upload: request } = await announce(people[actor], 5, { workspaceId });
    expect((await put(request, Buffer.from('bytes'))).status).toBe(204);
  }
  const late = await server.signUp('Late');
  await letIn(people.owner, workspaceId, late, 'MEMBER');
  const announced = [
    await announce(late, 5, { workspaceId }),
    await announce(late, 5, { workspaceId }),
    await announce(late, 5),
  ];
  const [first, second, own] = announced.map(({ upload: request }) => request);
  if (first === undefined || second === undefined || own === undefined) throw new Error('not announced');
  const target = { id: newId('att'), sizeBytes: 5 };
  const ofNothing = server.url + server.app.fileUrls.forUpload(target).path;
  const sendTo = (link: string) => answerTo(link, { method: 'PUT', body: 'bytes' });
  await change(people.owner, 'update-member', { workspaceId, userId: late.id, role: 'VIEWER' });
  expect(await sendTo(first.url)).toBe(await sendTo(ofNothing));
  await change(people.owner, 'remove-member', { workspaceId, userId: late.id });
  expect(await sendTo(second.url)).toBe(await sendTo(ofNothing));
  expect((await sendTo(ofNothing)).slice(0, 4)).toBe('404 ');
  // The signature of one upload is none for another.
  const forged = linkFor(own);
  forged.pathname = linkFor(first).pathname;
  expect((await sendTo(forged.href)).slice(0, 4)).toBe('403 ');
  expect((await sendTo(own.url)).slice(0, 4)).toBe('204 ');
});
