import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { endOfAnswer } from './kit/api-key.ts';
import { beforeNextTransaction } from './kit/database.ts';
import type { Page } from './kit/page.ts';
import { change, letIn, newWorkspace } from './kit/people.ts';
import type { AddedKey, NamedModel, Person } from './kit/person.ts';
import { inWorkspace, newThread, readAnswer } from './kit/place.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/**
 * Something is taken away after a question was looked at and before it is saved: it is refused as the next one will be, and
 * leaves nothing. No key is charged for what came too late.
 */

let server: TestServer;
/** Pays for the workspace, and Ben asks in it. */
let ada: Person;
let ben: Person;
let workspaceId: string;
let threadId: string;
let earlierId: string;
let key: AddedKey;
let model: NamedModel;

beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
});
afterAll(() => server.close());
beforeEach(async () => {
  ada = await server.signUp();
  ben = await server.signUp('Ben');
  workspaceId = await newWorkspace(ada);
  await letIn(ada, workspaceId, ben, 'MEMBER');
  key = await inWorkspace(ada, workspaceId).addKey();
  model = key.models[0] ?? expect.unreachable();
  threadId = await newThread(ada, workspaceId);
  const { answers } = await ada.ask('Earlier', [model], threadId);
  earlierId = answers[0]?.id ?? expect.unreachable();
  await endOfAnswer(ada, earlierId);
});
afterEach(() => vi.restoreAllMocks());

const LOSSES: Record<string, { code: string; take: () => Promise<unknown> }> = {
  'the plan is lowered': {
    code: 'PLAN_REQUIRED',
    take: () => setPlan(server, { userId: ada.id }, 'FREE'),
  },
  'the key is removed': {
    code: 'NO_KEY',
    take: () => change(ada, 'remove-api-key', { id: key.apiKey.id }),
  },
  'the key is switched off': {
    code: 'NO_KEY',
    take: () => change(ada, 'update-api-key', { id: key.apiKey.id, isEnabled: false }),
  },
  'the key expires': {
    code: 'KEY_EXPIRED',
    take: () => change(ada, 'update-api-key', { id: key.apiKey.id, expiresAt: '2020-01-01T00:00:00Z' }),
  },
  'whoever asks is removed': {
    code: 'NOT_FOUND',
    take: () => change(ada, 'remove-member', { workspaceId, userId: ben.id }),
  },
  'whoever asks may only read from now on': {
    code: 'NOT_PERMITTED',
    take: () => change(ada, 'update-member', { workspaceId, userId: ben.id, role: 'VIEWER' }),
  },
  'the thread is made private': {
    code: 'NOT_FOUND',
    take: () => change(ada, 'update-thread', { id: threadId, visibility: 'PRIVATE' }),
  },
  'the thread is deleted': {
    code: 'NOT_FOUND',
    take: () => change(ada, 'delete-thread', { id: threadId }),
  },
};

const WAYS = {
  'a message': () => change(ben, 'send-message', { threadId, text: 'Now?', modelIds: [model.id] }),
  'another answer': () => change(ben, 'regenerate-answer', { answerId: earlierId }),
};

describe.each(Object.entries(WAYS))('%s that is being saved', (_way, ask) => {
  test.each(Object.entries(LOSSES))('is refused when %s', async (_loss, { code, take }) => {
    const before = await messageIds();
    const calls = server.simulator.requests.length;
    beforeNextTransaction(server.app, take);
    const refused = await ask();
    expect(refused.code).toBe(code);
    const next = await ask();
    // The next one does not even find the answer that it names.
    expect(refused).toEqual({ ...next, message: next.message.replace('such answer', 'such thread') });
    const after = await messageIds();
    expect(after).toEqual(after && before);
    expect(server.simulator.requests).toHaveLength(calls);
    expect(server.app.running.begun()).toEqual([]);
  });

  test('is paid for by the next key when the first is switched off', async () => {
    const { apiKey } = await inWorkspace(ada, workspaceId).addKey('OPENAI', undefined, { label: 'Next' });
    beforeNextTransaction(server.app, () =>
      change(ada, 'update-api-key', { id: key.apiKey.id, isEnabled: false }),
    );
    const begun = (await ask()) as unknown as { answers?: { id: string }[]; answer?: { id: string } };
    const id = (begun.answers?.[0] ?? begun.answer)?.id ?? expect.unreachable();
    await endOfAnswer(ben, id);
    expect(await readAnswer(ada, id)).toMatchObject({
      status: 'COMPLETE',
      apiKey: { id: apiKey.id, label: 'Next' },
    });
  });
});

/** The messages of the thread as its creator finds them; undefined once it is gone. */
async function messageIds(): Promise<string[] | undefined> {
  const thread = await ada.run<{ messages: Page<{ id: string }> } | null>('thread', { id: threadId });
  return thread?.messages.edges.map(({ node }) => node.id);
}
