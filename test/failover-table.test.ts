import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { type Event, follow } from './kit/answer.ts';
import type { ListedKey } from './kit/api-key.ts';
import { type AttemptedAnswer, readAttempts } from './kit/attempts.ts';
import { eventually } from './kit/eventually.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { letIn, newWorkspace } from './kit/people.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { inWorkspace } from './kit/place.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { startTurningProvider, type TurningProvider, turningSecret } from './kit/turning-provider.ts';

/**
 * Where a key fails before the first character, the next one of the same tenant goes on. Each row is one way to fail, for
 * every provider, with the good key in each place of the order.
 */

interface Row {
  /** A fault of the simulator. */
  fault: string;
  code: string;
  /** Status of a key that failed so; it was ACTIVE before. */
  status: string;
  /** How many keys that fail so are asked: 1 means that no other key is asked. */
  most: 1 | 2 | 3;
  /** Where providers say it in another way. */
  except?: Partial<Record<ProviderName, { code?: string; status?: string }>>;
}

const INVALID = { code: 'INVALID_KEY', status: 'INVALID' };
/** One refusal that does not name the key proves nothing. */
const UNCLEAR = { MISTRAL: { status: 'ACTIVE' } };
const ERROR = { code: 'PROVIDER_ERROR' };
const ROWS: Row[] = [
  { fault: 'echo', ...INVALID, most: 3, except: UNCLEAR },
  {
    fault: 'expired',
    ...INVALID,
    most: 3,
    except: { ...UNCLEAR, GEMINI: { code: 'KEY_EXPIRED', status: 'EXPIRED' } },
  },
  { fault: 'forbidden', code: 'KEY_LACKS_PERMISSION', status: 'ACTIVE', most: 3 },
  { fault: 'quota', code: 'QUOTA_EXCEEDED', status: 'EXHAUSTED', most: 3 },
  { fault: 'limited', code: 'RATE_LIMITED', status: 'RATE_LIMITED', most: 2 },
  { fault: 'limited-always', code: 'RATE_LIMITED', status: 'ACTIVE', most: 2 }, // for a second
  { fault: 'overloaded', code: 'PROVIDER_OVERLOADED', status: 'ACTIVE', most: 2 },
  { fault: 'unknown', code: 'MODEL_NOT_FOUND', status: 'ACTIVE', most: 3 },
  { fault: 'long', code: 'CONTEXT_TOO_LONG', status: 'ACTIVE', most: 1 },
  { fault: 'blocked', code: 'CONTENT_FILTERED', status: 'ACTIVE', most: 1 },
  { fault: 'cut', code: 'STREAM_CUT', status: 'ACTIVE', most: 1 },
  {
    fault: 'error',
    code: 'PROVIDER_OVERLOADED',
    status: 'ACTIVE',
    most: 1,
    except: { OPENAI: ERROR, MISTRAL: ERROR, PERPLEXITY: ERROR, NOVITA: ERROR },
  },
];

let server: TestServer;
let provider: TurningProvider;

beforeAll(async () => {
  const simulator = await startSimulator({ paceMs: 0 });
  provider = await startTurningProvider(simulator);
  server = await startTestServer(provider.env, { simulator });
  liftCheckLimits(server);
  return () => simulator.close();
});
afterAll(async () => {
  await server.close();
  await provider[Symbol.asyncDispose]();
});

test.each(ROWS)(
  'after $code ($fault) so many of the keys are asked as the table says, whatever the provider and the place of the good key',
  { timeout: 120_000 },
  async (row) => {
    const [olga, mia] = [await server.signUp('Olga'), await server.signUp('Mia')];
    const workspaceId = await newWorkspace(olga);
    await letIn(olga, workspaceId, mia, 'MEMBER');
    const people = { manager: inWorkspace(olga, workspaceId), member: inWorkspace(mia, workspaceId) };
    const client = mia.socket();
    const seen: Record<string, Outcome> = {};
    const expected: Record<string, Outcome> = {};
    await Promise.all(
      PROVIDER_NAMES.map(async (name) => {
        // In the last place the good key is never asked.
        for (let place = 2; place <= row.most + 1; place++) {
          seen[`${name} ${place}`] = await outcomeOf({ ...people, client }, name, row.fault, place);
          expected[`${name} ${place}`] = expectedOf(row, name, place);
        }
      }),
    );
    await client.dispose();
    expect(seen).toEqual(expected);
    say(`${row.fault} | ${row.code} | keys asked at most: ${row.most}`);
  },
);

/** What became of an answer whose first keys failed. */
interface Outcome {
  /** What the member who asked reads of it. */
  answer: string;
  /** What a manager reads, by the labels of the keys. */
  attempts: string;
  statuses: string;
  /** Which keys the provider saw. */
  asked: string;
}

function expectedOf(row: Row, name: ProviderName, place: number): Outcome {
  const { code, status, most } = { ...row, ...row.except?.[name] };
  const failed = Math.min(place - 1, most);
  const isAnswered = place - 1 < most;
  const failures = Array.from({ length: failed }, (_, index) => `${index + 1} ${code}`);
  return {
    answer: isAnswered ? 'COMPLETE' : `FAILED ${code}`,
    attempts: [...failures, ...(isAnswered ? [`${place} none`] : [])].join(', '),
    statuses: Array.from({ length: place }, (_, index) => (index < failed ? status : 'ACTIVE')).join(', '),
    asked: Array.from({ length: isAnswered ? place : failed }, (_, index) => index + 1).join(', '),
  };
}

async function outcomeOf(
  { manager, member, client }: { manager: Person; member: Person; client: Client },
  name: ProviderName,
  fault: string,
  place: number,
): Promise<Outcome> {
  const secrets = Array.from({ length: place }, (_, index) =>
    index + 1 === place ? `sk-sim-good-${crypto.randomUUID()}` : turningSecret(fault),
  );
  const more = name === 'CUSTOM' ? { baseUrl: provider.customUrl } : {};
  const added: AddedKey[] = [];
  for (const [index, secret] of secrets.entries())
    added.push(await manager.addKey(name, secret, { label: `${index + 1}`, ...more }));
  const question = `Question ${crypto.randomUUID()}`;
  const { answers } = await member.ask(question, added[0]?.models.slice(0, 1) ?? []);
  const answerId = answers[0]?.id ?? '';
  const events: Event[] = [];
  for await (const event of follow(client, 'answer-events', { answerId })) events.push(event);

  const toMember = await readAttempts(member, answerId);
  expect(toMember).toMatchObject({ paidBy: 'WORKSPACE', apiKey: null });
  expect(toMember.attempts.map(({ apiKey }) => apiKey)).toEqual(toMember.attempts.map(() => null));
  const toManager = await readAttempts(manager, answerId);
  expect(JSON.stringify([events, toMember, toManager])).not.toContain('sk-sim');
  expect(toManager.apiKey).toEqual(toManager.attempts.at(-1)?.apiKey);
  const statuses = await statusesAfter(manager, name, toManager);
  for (const { apiKey } of added) await manager.run('remove-api-key', { input: { id: apiKey.id } });
  const asked = provider.secretsFor(question).map((secret) => secrets.indexOf(secret) + 1);
  return {
    answer: [toMember.status, toMember.error?.code].filter((word) => word !== undefined).join(' '),
    attempts: toManager.attempts
      .map(({ apiKey, error }) => `${apiKey?.label} ${error?.code ?? 'none'}`)
      .join(', '),
    statuses: (fault === 'limited-always' ? statuses.map(() => 'ACTIVE') : statuses).join(', '),
    asked: [...new Set(asked)].join(', '),
  };
}

/** In the order of the keys, once what the last one showed is saved: that happens after the end of the answer. */
async function statusesAfter(
  manager: Person,
  name: ProviderName,
  { attempts }: AttemptedAnswer,
): Promise<string[]> {
  const last = attempts.at(-1);
  const isRecorded = last?.error == null || RECORDED.has(last.error.code);
  return await eventually('what the last key showed', async () => {
    const keys = nodesOf(
      (await manager.run<{ apiKeys: Page<ListedKey> }>('api-keys', { workspaceId: manager.workspaceId }))
        .apiKeys,
    ).filter((key) => key.provider === name);
    const used = keys.find(({ label }) => label === last?.apiKey?.label)?.lastUsedAt ?? null;
    return (used !== null || !isRecorded) && keys.map(({ status }) => status);
  });
}

/** The codes that say something about a key. */
const RECORDED = new Set(['INVALID_KEY', 'KEY_EXPIRED', 'QUOTA_EXCEEDED', 'RATE_LIMITED']);
