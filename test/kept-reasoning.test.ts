import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LiveAnswer } from '../src/answers/live-answer.ts';
import { messages } from '../src/db/tables/thread.ts';
import { type KeptReasoning, modelFamily, piecesOf } from '../src/providers/kept-reasoning.ts';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import { ask, question, scriptedProviders } from './fixtures/ask.ts';
import { eventStream, json } from './fixtures/scripted-egress.ts';
import { data } from './fixtures/streams.ts';
import { type Event, follow } from './kit/answer.ts';
import { REASONERS } from './kit/listed.ts';
import type { NamedModel, Person, Sent } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { newThread } from './kit/thread.ts';

describe('the reasoning state of an answer', () => {
  let server: TestServer;
  let ada: Person;
  let models: Record<ProviderName, NamedModel>;

  beforeAll(async () => {
    server = await startTestServer();
    ada = await server.signUp();
    const added = await Promise.all(PROVIDER_NAMES.map(addKey));
    models = Object.fromEntries(added) as typeof models;
  });
  afterAll(() => server?.close());

  async function addKey(name: ProviderName): Promise<[ProviderName, NamedModel]> {
    const more = name === 'CUSTOM' ? { baseUrl: server.simulator.baseUrls.CUSTOM } : {};
    const { models: listed } = await ada.addKey(name, `sk-sim-${crypto.randomUUID()}`, more);
    const model = listed.find((each) => each.name === REASONERS[name]);
    return [name, model ?? expect.unreachable(`${name} does not list ${REASONERS[name]}`)];
  }

  /** Sends a message and waits for all its answers, which must be complete. Returns their ids. */
  async function say(threadId: string, parentId: string | null, asked: readonly NamedModel[]) {
    const text = 'And then?\nsimulate: say One step further.';
    const input = { threadId, text, parentId, modelIds: asked.map(({ id }) => id) };
    const { answers } = await ada.run<Sent>('send-message', { input });
    return await Promise.all(answers.map(({ id }) => endOf(id)));
  }

  async function endOf(answerId: string): Promise<string> {
    const client = ada.socket();
    let last: Event | undefined;
    for await (const event of follow(client, 'answer-events', { answerId })) {
      expect(JSON.stringify(event)).not.toContain(SIGNED);
      last = event;
    }
    await client.dispose();
    const { status, modelName } = last?.answer ?? {};
    expect({ modelName, status, error: last?.error }).toMatchObject({ status: 'COMPLETE' });
    return answerId;
  }

  test.each(PROVIDER_NAMES)(
    'after an answer of %s every provider goes on in the thread, and then this one again, without a refusal',
    async (first) => {
      const before = server.simulator.requests.length;
      const { id: threadId } = await newThread(ada);
      const [answerId = null] = await say(threadId, null, [models[first]]);
      const continued = await say(threadId, answerId, Object.values(models));
      for (const each of continued) await say(threadId, each, [models[first]]);

      const asked = server.simulator.requests.slice(before).filter(({ method }) => method === 'POST');
      // A refusal that was corrected would be one request more.
      expect(asked).toHaveLength(1 + 2 * PROVIDER_NAMES.length);
      for (const { provider, body } of asked) {
        for (const signer of signersIn(body)) expect(signer).toBe(`simulated ${REASONERS[provider]}`);
      }
      const again = asked.slice(1 + PROVIDER_NAMES.length);
      const least = HAVE_STATE.includes(first) ? 1 : 0;
      for (const { body } of again) expect(signersIn(body).length).toBeGreaterThanOrEqual(least);
      expect(Math.max(...again.map(({ body }) => signersIn(body).length))).toBe(MOST_SIGNATURES[first] ?? 0);
    },
  );

  test('an answer that was stopped keeps none', async () => {
    const text = `Stop me ${crypto.randomUUID()}`;
    const sent = await ada.ask(`${text}\nsimulate: held`, [models.ANTHROPIC]);
    const answerId = sent.answers[0]?.id ?? expect.unreachable();
    const call = await server.simulator.waitForRequest(({ body }) => body.includes(text));
    call.release(1);
    const client = ada.socket();
    for await (const event of follow(client, 'answer-events', { answerId })) {
      if (event.part === 'TEXT') await ada.run('stop-answer', { input: { answerId } });
    }
    await client.dispose();
    const { db } = server.app;
    const [row] = await db.select().from(messages).where(eq(messages.id, answerId));
    expect(row).toMatchObject({ status: 'STOPPED', keptReasoning: null });
  });
});

const SIGNED = Buffer.from('simulated ').toString('base64').slice(0, 13);
const HAVE_STATE: readonly ProviderName[] = ['OPENAI', 'ANTHROPIC', 'GEMINI', 'XAI'];
/** Where the provider went on after its own answer. Anthropic signs each of the two blocks. */
const MOST_SIGNATURES: Partial<Record<ProviderName, number>> = { OPENAI: 2, ANTHROPIC: 4, GEMINI: 2, XAI: 2 };

/** By which models the reasoning in a body is signed. */
function signersIn(body: string): string[] {
  return [...body.matchAll(new RegExp(`"(${SIGNED}[^"]*)"`, 'g'))].map(([, signature = '']) =>
    Buffer.from(signature, 'base64').toString().split(' ').slice(0, 2).join(' '),
  );
}

describe('the pieces of a turn', () => {
  const item = { type: 'reasoning' };
  const turn = (text: string, ...offsets: number[]) => ({
    text,
    kept: {
      provider: 'OPENAI',
      family: 'gpt-6-sol',
      items: offsets.map((offset) => ({ offset, item })),
    } satisfies KeptReasoning,
  });

  test('a text is cut where the reasoning stood, and a blank piece goes with the next one', () => {
    expect(piecesOf(turn('One.\n\nTwo.', 0, 4, 6), 'OPENAI', 'gpt-6-sol-2026-09-01')).toEqual([
      { type: 'item', item },
      { type: 'text', text: 'One.' },
      { type: 'item', item },
      { type: 'item', item },
      { type: 'text', text: '\n\nTwo.' },
    ]);
  });

  test('the reasoning of another provider or family is left out', () => {
    const whole = [{ type: 'text', text: 'One.' }];
    expect(piecesOf(turn('One.', 0), 'XAI', 'gpt-6-sol')).toEqual(whole);
    expect(piecesOf(turn('One.', 0), 'OPENAI', 'gpt-6-luna')).toEqual(whole);
  });

  test('a family is the name without its date or alias', () => {
    const names = [
      'claude-opus-5-5-20260901',
      'gpt-6-sol-2026-09-01',
      'gemini-2.5-pro-preview-06-05',
      'grok-4.7-latest',
      'gemini-3.8-flash',
    ];
    expect(names.map(modelFamily)).toEqual([
      'claude-opus-5-5',
      'gpt-6-sol',
      'gemini-2.5-pro',
      'grok-4.7',
      'gemini-3.8-flash',
    ]);
  });
});

test.each<[ProviderName, string, object, string]>([
  [
    'OPENAI',
    'gpt-6-sol',
    { type: 'reasoning', encrypted_content: 'gAAA' },
    'The encrypted content gAAA... could not be verified.',
  ],
  [
    'XAI',
    'grok-4.7',
    { type: 'reasoning', encrypted_content: 'gAAA' },
    'Could not decrypt the provided encrypted_content.',
  ],
  [
    'ANTHROPIC',
    'claude-opus-5-5',
    { type: 'thinking', thinking: '', signature: 'gAAA' },
    'Invalid `signature` in `thinking` block',
  ],
  ['GEMINI', 'gemini-3.8-flash', { thoughtSignature: 'gAAA' }, 'Thought signature is not valid.'],
])(
  'state that %s can no longer read, as with a key of another organisation, is left out and costs no answer',
  async (name, model, item, message) => {
    const { providers, egress } = scriptedProviders(({ body = '' }) =>
      body.includes('gAAA') ? json({ error: { message } }, 400) : eventStream(''),
    );
    const kept: KeptReasoning = { provider: name, family: model, items: [{ offset: 0, item: { ...item } }] };
    const turns = [
      { role: 'user', text: 'One?' },
      { role: 'assistant', text: 'One.', kept },
      { role: 'user', text: 'Two?' },
    ] as const;
    await ask(providers, name, question(model, { turns }));
    const [first, second] = egress.requests.map(({ body }) => body);
    expect(first).toContain('gAAA');
    expect(second).not.toContain('gAAA');
    expect(second).toContain('One.');
  },
);

test('state of more than a mebibyte is not kept', () => {
  const live = new LiveAnswer({ id: 'msg_1', threadId: 'thr_1', writerId: 'srv_1', provider: 'OPENAI' });
  const kept = (length: number): KeptReasoning => ({
    provider: 'OPENAI',
    family: 'gpt-6-sol',
    items: [{ offset: 0, item: { encrypted_content: 'x'.repeat(length) } }],
  });
  live.keep(kept(2 ** 20));
  expect(live.final.kept).toBeNull();
  live.keep(kept(1_000));
  expect(live.final.kept).toHaveLength(JSON.stringify(kept(1_000)).length);
});

test('Gemini’s signature goes back with the very part that it signed', async () => {
  const part = (part: object) => data({ candidates: [{ content: { parts: [part] } }] });
  const { providers, egress } = scriptedProviders((_, number) =>
    number === 1
      ? eventStream([
          part({ text: 'Before. ' }),
          part({ text: 'Signed.', thoughtSignature: 'Eqs=' }),
          part({ text: ' After.' }),
          data({ candidates: [{ finishReason: 'STOP' }] }),
        ])
      : json({}, 500),
  );
  const { text, kept } = await ask(providers, 'GEMINI', question('gemini-3.8-flash'));
  const turns = [
    { role: 'user', text: 'One?' },
    { role: 'assistant', text, ...(kept !== null && { kept }) },
    { role: 'user', text: 'Two?' },
  ] as const;
  await ask(providers, 'GEMINI', question('gemini-3.8-flash', { turns }));
  const { contents } = JSON.parse(egress.requests[1]?.body ?? '{}');
  expect(contents[1].parts).toEqual([
    { text: 'Before. ' },
    { text: 'Signed.', thoughtSignature: 'Eqs=' },
    { text: ' After.' },
  ]);
});
