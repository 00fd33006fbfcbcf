import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { isUsable, KEY_STATUSES, type KeyStatus } from '../src/keys/status.ts';
import type { ProviderName } from '../src/providers/provider.ts';
import { GOOD_SECRET, liftCheckLimits, turn } from './kit/altered-provider.ts';
import { askHeld } from './kit/answer.ts';
import { endOfAnswer, type KeyResult, keysOf, modelsOf, untilStatus } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import { page } from './kit/pages.ts';
import { letIn, newWorkspace } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { answerOf, inWorkspace, readAnswer } from './kit/place.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** What a key is said to be is what it is: asked for, found in use, or by the server's own checks. */

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
  liftCheckLimits(server);
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());

describe('a key', () => {
  const works = 'It answers.';
  const neutral = (title: string) =>
    `The ${title} key for this model cannot be used at the moment. Choose another model, or ask the person who manages the key.`;
  const withoutCredit = (title: string) =>
    `The account behind this key has no credit or quota left. Add some at ${title}.`;
  const withoutPlan =
    'The plan does not include this provider key. The owner of the workspace or team can ask the operator of this server to change it.';

  /** How a key that worked gets this status: by a fault of the simulator, or by what the product itself offers. */
  const ways: Way[] = [
    {
      status: 'ACTIVE',
      how: 'is checked',
      reach: (owner, id) => owner.run('check-api-key', { input: { id } }),
      manager: null,
      member: ['available', works],
    },
    {
      status: 'UNVERIFIED',
      how: 'gets a secret while its provider is down',
      reach: (owner, id) => owner.run('replace-api-key-secret', { input: { id, secret: 'sk-sim-down' } }),
      manager: 'OpenAI is overloaded. Try again in a moment.',
      member: ['available', 'OpenAI is overloaded. Try again in a moment.'],
    },
    {
      status: 'RATE_LIMITED',
      how: 'is asked about too often',
      reach: turned('OPENAI', 'limited'),
      manager: 'OpenAI is limiting requests with this key. Wait a little, then try again.',
      member: ['available', works],
    },
    {
      status: 'EXHAUSTED',
      how: 'pays for an answer without credit',
      reach: async (owner, id, model) => {
        await owner.run('replace-api-key-secret', { input: { id, secret: 'sk-sim-quota' } });
        await answerOf(owner, model);
        await untilStatus(owner, id, 'EXHAUSTED');
      },
      manager: withoutCredit('OpenAI'),
      member: ['available', neutral('OpenAI')],
    },
    {
      status: 'EXHAUSTED',
      how: 'runs out of credit where a check can tell',
      provider: 'NOVITA',
      reach: turned('NOVITA', 'quota'),
      manager: withoutCredit('Novita AI'),
      member: ['available', works],
    },
    {
      status: 'INVALID',
      how: 'is withdrawn at its provider',
      reach: turned('OPENAI', 'wrong'),
      manager: 'OpenAI did not accept this key. Check that it is complete and active, or replace it.',
      member: ['INVALID_KEY', neutral('OpenAI')],
    },
    {
      status: 'EXPIRED',
      how: 'runs out at its provider',
      provider: 'GEMINI',
      reach: turned('GEMINI', 'expired'),
      manager:
        'This Google Gemini key has expired. Replace it, or set a later expiry date if one was set here.',
      member: ['KEY_EXPIRED', neutral('Google Gemini')],
    },
    {
      status: 'EXPIRED',
      how: 'passes the date that was set for it',
      reach: (owner, id) => owner.run('update-api-key', { input: { id, expiresAt: '2020-01-01T00:00:00Z' } }),
      manager: 'The expiry date set for this key has passed. Set a later one to use it again.',
      member: ['KEY_EXPIRED', neutral('OpenAI')],
    },
    {
      status: 'DISABLED',
      how: 'is switched off',
      reach: (owner, id) => owner.run('update-api-key', { input: { id, isEnabled: false } }),
      manager: 'This key is switched off. Switch it on to use it again.',
      member: [
        'NO_KEY',
        'No usable OpenAI key offers this model here. Choose another model, or ask the person who manages the keys for one.',
      ],
    },
    {
      status: 'SUSPENDED',
      how: 'is no longer in the plan',
      reach: (owner) => setPlan(server, { userId: owner.id }, 'FREE'),
      manager: withoutPlan,
      member: ['PLAN_REQUIRED', withoutPlan],
    },
    {
      status: 'NEEDS_REENTRY',
      how: 'outlives its root key',
      reach: (_owner, id) =>
        server.app.db.update(apiKeys).set({ needsReentry: true }).where(eq(apiKeys.id, id)),
      manager: 'The stored secret of this key is lost. Enter it again.',
      member: ['KEY_UNAVAILABLE', neutral('OpenAI')],
    },
  ];

  test.each(ways)(
    'that $how is $status: its managers read what to do, members no more than they need',
    async ({
      status,
      how,
      provider = 'OPENAI',
      reach,
      manager: managersSentence,
      member: [availability, sentence],
    }) => {
      const owner = await server.signUp('Olga');
      const mia = await server.signUp('Mia');
      const workspaceId = await newWorkspace(owner);
      await letIn(owner, workspaceId, mia, 'MEMBER');
      const [manager, member] = [inWorkspace(owner, workspaceId), inWorkspace(mia, workspaceId)];
      const { apiKey, models } = await manager.addKey(provider, GOOD_SECRET);
      const model = models[0] ?? { id: '' };
      await reach(manager, apiKey.id, model);

      expect(await keysOf(manager)).toMatchObject([{ status, statusMessage: managersSentence }]);
      const listed = (await modelsOf(member)).find(({ id }) => id === model.id);
      const seen = listed?.isAvailable ? 'available' : listed?.unavailableReason;
      expect([seen, await askedBy(member, model)]).toEqual([availability, sentence]);
      say(`${status} | ${how} | ${managersSentence ?? '—'} | ${availability}: ${sentence}`);
    },
  );

  test('a key comes to every status by one of these ways', () => {
    expect(new Set(ways.map(({ status }) => status))).toEqual(new Set(KEY_STATUSES));
  });

  interface Way {
    status: KeyStatus;
    /** Completes "a key that …". */
    how: string;
    provider?: ProviderName;
    reach: (owner: Person, apiKeyId: string, model: { id: string }) => Promise<unknown>;
    /** What the key's `statusMessage` says then. */
    manager: string | null;
    /** How the model is listed for a member, and what they read who ask it. */
    member: [string, string];
  }

  /** The provider starts to have this fault, and a person checks the key. */
  function turned(provider: ProviderName, fault: string): Way['reach'] {
    return async (owner, id) => {
      turn(server, provider, fault);
      await owner.run('check-api-key', { input: { id } });
    };
  }

  /** What a person who asks reads: the error of the mutation, or that of the answer, or that there was none. */
  async function askedBy(member: Person, model: { id: string }): Promise<string> {
    const sent = await member.ask('Hello?', [model]);
    const [answer] = sent.answers ?? [];
    if (answer === undefined) return (sent as Partial<KeyResult>).message ?? '';
    await endOfAnswer(member, answer.id);
    return (await readAnswer(member, answer.id)).error?.message ?? works;
  }

  test('a key has in the diagram of docs/keys.md the statuses that there are, those that are still asked among them', () => {
    const [, diagram = ''] = /^```mermaid\n([^`]*NEEDS_REENTRY[^`]*)^```$/m.exec(page('docs/keys.md')) ?? [];
    const drawn = [...diagram.matchAll(/\b[A-Z][A-Z_]{5,}\b/g)].map(([word]) => word);
    expect(new Set(drawn)).toEqual(new Set(KEY_STATUSES));
    const [, asked = ''] = /^ +class ([A-Z_,]+) asked$/m.exec(diagram) ?? [];
    expect(asked.split(',')).toEqual(KEY_STATUSES.filter(isUsable));
  });
});

describe('a change of status is announced', () => {
  let ada: Person;
  beforeEach(async () => {
    ada = await server.signUp();
  });

  /** How often the key was announced while this was done. */
  async function timesAnnounced(id: string, act: () => Promise<unknown>): Promise<number> {
    const announce = vi.spyOn(server.app.changes, 'announce');
    await act();
    const times = announce.mock.calls.filter(([, ids]) => [...ids].includes(id)).length;
    announce.mockRestore();
    return times;
  }

  /** Asks, and waits until what the answer taught about the key is saved. */
  async function askAndLearn(model: { id: string }): Promise<void> {
    const [before] = await keysOf(ada);
    await answerOf(ada, model);
    await eventually('it was learned from', async () => {
      const [key] = await keysOf(ada);
      return key?.lastUsedAt !== before?.lastUsedAt;
    });
  }

  test('a change of status is announced once when an answer finds the key otherwise, and not by the answers that confirm it', async () => {
    const { apiKey, models } = await ada.addKey('OPENAI', 'sk-sim-quota-0123456789');
    const announced = [];
    for (const _time of [1, 2, 3])
      announced.push(await timesAnnounced(apiKey.id, () => askAndLearn(models[0] ?? { id: '' })));
    expect(announced).toEqual([1, 0, 0]);
    await ada.run('replace-api-key-secret', { input: { id: apiKey.id, secret: GOOD_SECRET } });
    expect(await timesAnnounced(apiKey.id, () => askAndLearn(models[0] ?? { id: '' }))).toBe(0);
  });

  test('a change of status is announced by a check only if its status, its reason or its models are other ones', async () => {
    const { apiKey } = await ada.addKey('MISTRAL', GOOD_SECRET);
    const check = () => ada.run('check-api-key', { input: { id: apiKey.id } });
    const announced = [await timesAnnounced(apiKey.id, check)];
    const faults = ['limited', 'limited', 'wrong', 'wrong', 'good', 'empty', 'empty'];
    for (const fault of faults) {
      turn(server, 'MISTRAL', fault);
      announced.push(await timesAnnounced(apiKey.id, check));
      vi.restoreAllMocks();
    }
    expect(announced).toEqual([0, 1, 0, 1, 0, 1, 1, 0]);
  });

  test('a check that only found the provider unavailable announces nothing, and the status stays', async () => {
    const { apiKey } = await ada.addKey('OPENAI', GOOD_SECRET);
    const before = await keysOf(ada);
    turn(server, 'OPENAI', 'down');
    const announced = await timesAnnounced(apiKey.id, async () => {
      expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toEqual({
        __typename: 'ProviderUnavailableError',
        provider: 'OPENAI',
        code: 'PROVIDER_OVERLOADED',
        message: 'OpenAI is overloaded. Try again in a moment.',
        fixableBy: 'PROVIDER',
        retryAt: null,
      });
    });
    expect(announced).toBe(0);
    expect(await keysOf(ada)).toEqual(before);
  });
});

test('a key that gets another secret stays what it was, and an answer under way finishes with the old one', async () => {
  const ada = await server.signUp();
  const { apiKey, models } = await ada.addKey('OPENAI', GOOD_SECRET, { label: 'Work' });
  const model = models[0] ?? { id: '' };
  const { answerId, call } = await askHeld(server.simulator, ada, model);
  const input = { id: apiKey.id, secret: 'sk-sim-another-9876543210' };
  await ada.run('replace-api-key-secret', { input });
  call.release();
  await endOfAnswer(ada, answerId);

  const answer = await readAnswer(ada, answerId);
  expect(answer).toMatchObject({ status: 'COMPLETE', apiKey: { id: apiKey.id, label: 'Work' } });
  expect((await keysOf(ada))[0]).toMatchObject({ id: apiKey.id, label: 'Work', hint: '3210', position: 1 });
  await answerOf(ada, model);
  const bearers = server.simulator.requests
    .filter(({ method, body }) => method === 'POST' && body.includes('Question'))
    .slice(-2)
    .map(({ headers }) => headers.authorization);
  expect(bearers).toEqual([`Bearer ${GOOD_SECRET}`, 'Bearer sk-sim-another-9876543210']);
});
