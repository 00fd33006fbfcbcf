import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { newId } from '../src/db/id.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { rotateTenant } from '../src/keys/rotate.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import {
  addKey,
  bodyText,
  endOfAnswer,
  type KeyResult,
  keysOf,
  type ListedModel,
  modelsOf,
  rawBody,
  seal,
  sealingKeyOf,
} from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { documentOf } from './kit/person.ts';
import { SERVERS, startTestServer, type TestServer } from './kit/server.ts';
import { useSite } from './kit/site.ts';

afterEach(() => vi.restoreAllMocks());

describe('adding a key', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  test.each(PROVIDER_NAMES)('adding a key of %s works as it is and sealed', async (provider) => {
    const ada = await server.signUp();
    const baseUrl = provider === 'CUSTOM' ? server.simulator.baseUrls.CUSTOM : null;
    const plain = await addKey(ada, { provider, secret: `sk-sim-plain-${crypto.randomUUID()}`, baseUrl });
    const sealed = await addKey(ada, {
      provider,
      baseUrl,
      sealed: await seal(ada, { provider, baseUrl, secret: 'sk-sim-sealed-0123456789' }),
    });
    for (const result of [plain, sealed]) {
      expect(result).toMatchObject({
        __typename: 'AddApiKeyPayload',
        apiKey: { provider, scope: 'PERSONAL', status: 'ACTIVE', statusMessage: null },
        warning: null,
      });
      expect(result.models.length).toBeGreaterThan(0);
      expect(result.models.every(({ isAvailable }) => isAvailable)).toBe(true);
    }
    expect(sealed.apiKey.hint).toBe('6789');
    // Both offer the same models: a model is the workspace's, not the key's.
    expect(sealed.models.map(({ id }) => id)).toEqual(plain.models.map(({ id }) => id));
    expect((await keysOf(ada)).map((key) => key.baseUrl)).toEqual([baseUrl, baseUrl]);
    const secrets = server.simulator.requests.flatMap(({ headers }) =>
      Object.values(headers).flat().join(' '),
    );
    expect(secrets.some((text) => text.includes('sk-sim-sealed-0123456789'))).toBe(true);
  });

  test('adding a key of a CUSTOM server that needs no key works with an empty secret', async () => {
    const ada = await server.signUp();
    const baseUrl = server.simulator.baseUrls.CUSTOM;
    expect(await addKey(ada, { provider: 'CUSTOM', secret: '', baseUrl })).toMatchObject({
      apiKey: { status: 'ACTIVE', hint: null },
    });
  });

  test('adding a key never shows the end of a secret so short that it would give much of it away', async () => {
    const ada = await server.signUp();
    expect((await ada.addKey('OPENAI', 'sk-sim-short')).apiKey.hint).toBeNull();
  });
});

describe('a key that its provider refuses', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  test.each([
    [
      'OPENAI',
      'sk-sim-wrong',
      'INVALID_KEY',
      'OpenAI did not accept this key. Check that it is complete and active, or replace it.',
    ],
    [
      'XAI',
      'sk-sim-disabled',
      'INVALID_KEY',
      'xAI (Grok) did not accept this key. Check that it is complete and active, or replace it.',
    ],
    [
      'GEMINI',
      'sk-sim-expired',
      'KEY_EXPIRED',
      'This Google Gemini key has expired. Replace it, or set a later expiry date if one was set here.',
    ],
    [
      'MISTRAL',
      'sk-sim-forbidden',
      'KEY_LACKS_PERMISSION',
      'Mistral knows this key but does not allow it to do this. Widen its permissions there.',
    ],
    [
      'ANTHROPIC',
      'sk-proj-sim-wrong',
      'INVALID_KEY',
      'Anthropic did not accept this key. Check that it is complete and active, or replace it. This looks like a key of OpenAI.',
    ],
  ])(
    'a key that its provider refuses of %s (%s) is not stored and the answer says %s',
    async (provider, secret, code, message) => {
      const ada = await server.signUp();
      expect(await ada.addKey(provider, secret)).toEqual({
        __typename: 'ProviderRefusedError',
        provider,
        code,
        message,
        fixableBy: 'YOU',
        retryAt: null,
      });
      expect(await keysOf(ada)).toEqual([]);
      expect(await modelsOf(ada)).toEqual([]);
    },
  );

  test('a key that its provider refuses does not replace the stored secret', async () => {
    const ada = await server.signUp();
    const { apiKey, models } = await ada.addKey('OPENAI', 'sk-sim-good-0123456789');
    const before = await keysOf(ada);
    const input = { id: apiKey.id, secret: 'sk-sim-wrong-0123456789' };
    expect(await ada.run('replace-api-key-secret', { input })).toMatchObject({ code: 'INVALID_KEY' });
    expect(await keysOf(ada)).toEqual(before);
    expect(byId(await modelsOf(ada))).toMatchObject(
      byId(models).map(({ id }) => ({ id, isAvailable: true })),
    );
  });
});

describe('a key whose provider cannot say yes', () => {
  const down = 'is overloaded. Try again in a moment.';

  test('a key whose provider cannot say yes is stored as the provider left it, with the reason in words', async () => {
    const simulator = await startSimulator({ paceMs: 0 });
    const host = new URL(simulator.url).host;
    const closed = await startSimulator();
    await closed.close();
    await using server = await startTestServer(
      { LATCHKEY_ALLOWED_PRIVATE_HOSTS: `${host},${new URL(closed.url).host}` },
      { simulator },
    );
    const outcomes: unknown[] = [];
    for (const [provider, secret, baseUrl] of [
      ['OPENAI', 'sk-sim-down', null],
      ['CUSTOM', 'sk-sim-nobody', closed.baseUrls.CUSTOM],
      ['OPENAI', 'sk-sim-nolist', null],
      ['XAI', 'sk-sim-nolist', null],
      ['OPENAI', 'sk-sim-restricted', null],
      ['NOVITA', 'sk-sim-quota', null],
      ['MISTRAL', 'sk-sim-limited', null],
      ['MISTRAL', 'sk-sim-empty', null],
    ] as const) {
      const ada = await server.signUp();
      const { apiKey, models, warning } = await addKey(ada, { provider, secret, baseUrl });
      outcomes.push([provider, secret, apiKey.status, apiKey.statusMessage, models.length, warning]);
    }
    expect(outcomes).toEqual([
      ['OPENAI', 'sk-sim-down', 'UNVERIFIED', `OpenAI ${down}`, 0, null],
      [
        'CUSTOM',
        'sk-sim-nobody',
        'UNVERIFIED',
        'OpenAI-compatible server could not be reached from this server. Try again; if that does not help, ask the operator of this server.',
        0,
        null,
      ],
      [
        'OPENAI',
        'sk-sim-nolist',
        'UNVERIFIED',
        'OpenAI failed to answer. Try again, or choose another model.',
        0,
        null,
      ],
      [
        'XAI',
        'sk-sim-nolist',
        'UNVERIFIED',
        'xAI (Grok) failed to answer. Try again, or choose another model.',
        0,
        null,
      ],
      [
        'OPENAI',
        'sk-sim-restricted',
        'UNVERIFIED',
        'OpenAI knows this key but does not allow it to do this. Widen its permissions there.',
        0,
        null,
      ],
      [
        'NOVITA',
        'sk-sim-quota',
        'EXHAUSTED',
        'The account behind this key has no credit or quota left. Add some at Novita AI.',
        0,
        null,
      ],
      [
        'MISTRAL',
        'sk-sim-limited',
        'RATE_LIMITED',
        'Mistral is limiting requests with this key. Wait a little, then try again.',
        0,
        null,
      ],
      [
        'MISTRAL',
        'sk-sim-empty',
        'UNVERIFIED',
        'Mistral lists no chat model for this key. Add or allow one there, then check this key again.',
        0,
        null,
      ],
    ]);
    await simulator.close();
  });

  test('a key whose provider cannot say yes is stored as UNVERIFIED when the provider is silent for 15 seconds', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const patience = new AbortController();
    const timeout = AbortSignal.timeout;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) =>
      ms === 15_000 ? patience.signal : timeout(ms),
    );
    const adding = ada.addKey('OPENAI', 'sk-sim-hang');
    const asked = await server.simulator.waitForRequest(({ headers }) => bearerOf(headers) === 'sk-sim-hang');
    patience.abort(new DOMException('The operation timed out.', 'TimeoutError'));
    expect((await adding).apiKey).toMatchObject({
      status: 'UNVERIFIED',
      statusMessage: 'OpenAI did not answer in time. Try again.',
    });
    expect(await asked.closed).toBe('left');
  });
});

describe('what was pasted', () => {
  const site = useSite();

  test.each([
    '  sk-sim-pasted-00\n',
    '"sk-sim-pasted-00"',
    'Bearer sk-sim-pasted-00',
    "export OPENAI_API_KEY='sk-sim-pasted-00';",
    '\u200bsk-sim-\ufeffpasted-00\u00a0',
  ])('a pasted secret is taken for the key inside: %j', async (secret) => {
    const asked = site.server.simulator.requests.length;
    expect(await site.ada.addKey('OPENAI', secret)).toMatchObject({ apiKey: { status: 'ACTIVE' } });
    const [call] = site.server.simulator.requests.slice(asked);
    expect(call && bearerOf(call.headers)).toBe('sk-sim-pasted-00');
  });

  test.each([
    ['sk-sim two-keys', 'The key has a space or line break inside. Copy it again, in one piece.'],
    ['sk-sim-ключ', 'The key has characters that no key has. Copy it again from where it was made.'],
    ['k'.repeat(5_000), 'This is too long to be a key. Paste the key alone.'],
    ['', 'The key is empty. Paste it.'],
    ['"  "', 'The key is empty. Paste it.'],
  ])('a pasted secret is refused where it cannot be a key: %j', async (secret, message) => {
    const asked = site.server.simulator.requests.length;
    expect(await site.ada.addKey('OPENAI', secret)).toMatchObject({
      __typename: 'InvalidInputError',
      code: 'BAD_INPUT',
      fields: [{ path: 'secret', message }],
    });
    expect(site.server.simulator.requests).toHaveLength(asked);
  });

  test.each([
    ['neither a secret nor a box', {}, 'secret', 'Give either secret or sealed, and not both.'],
    [
      'both a secret and a box',
      { secret: 'sk-sim-0', sealed: { keyId: 'k', box: 'b' } },
      'secret',
      'Give either secret or sealed, and not both.',
    ],
    [
      'an empty label',
      { secret: 'sk-sim-0', label: ' ' },
      'label',
      'A label has between 1 and 100 characters.',
    ],
    [
      'a base URL for a provider with one of its own',
      { secret: 'sk-sim-0', baseUrl: 'https://llm.example.com' },
      'baseUrl',
      'OpenAI has a base URL of its own. Leave baseUrl out, or choose CUSTOM.',
    ],
    [
      'no base URL for CUSTOM',
      { provider: 'CUSTOM', secret: 'sk-sim-0' },
      'baseUrl',
      'A CUSTOM key needs the base URL of its server, e.g. https://llm.example.com/v1.',
    ],
  ])('a pasted secret is refused with %s', async (_what, input, path, message) => {
    expect(await addKey(site.ada, { provider: 'OPENAI', ...input })).toMatchObject({
      __typename: 'InvalidInputError',
      fields: [{ path, message }],
    });
  });

  test('a pasted secret never names an address inside the network, and says who may allow it', async () => {
    expect(
      await addKey(site.ada, {
        provider: 'CUSTOM',
        secret: 'sk-sim-0',
        baseUrl: 'https://169.254.169.254/v1',
      }),
    ).toMatchObject({
      message: expect.stringMatching(/private network\. .*LATCHKEY_ALLOWED_PRIVATE_HOSTS/),
    });
  });

  test('a pasted secret is refused in a box for another workspace, provider or base URL', async () => {
    const eve = await site.server.signUp('Eve');
    const misdirected = {
      __typename: 'InvalidInputError',
      fields: [
        {
          path: 'sealed',
          message:
            'The box was sealed for another owner, provider or base URL. Seal the secret for this one.',
        },
      ],
    };
    const content = { provider: 'OPENAI', baseUrl: null, secret: 'sk-sim-0' };
    const sealedFor = async (over: object) => ({
      provider: 'OPENAI',
      sealed: await seal(site.ada, { ...content, ...over }),
    });
    expect(await addKey(site.ada, await sealedFor({ owner: eve.workspaceId }))).toMatchObject(misdirected);
    expect(await addKey(site.ada, await sealedFor({ provider: 'MISTRAL' }))).toMatchObject(misdirected);
    expect(await addKey(site.ada, await sealedFor({ baseUrl: 'https://llm.example.com' }))).toMatchObject(
      misdirected,
    );
    expect(await addKey(eve, await sealedFor({}))).toMatchObject({ __typename: 'StaleSealingKeyError' });
    const sealed = await seal(site.ada, content);
    expect(
      await addKey(site.ada, { provider: 'OPENAI', sealed: { ...sealed, box: 'bm90IGEgYm94' } }),
    ).toMatchObject({
      fields: [{ path: 'sealed', message: expect.stringContaining('does not open') }],
    });
  });
});

describe('a renewed sealing key', () => {
  test('a secret sealed with an earlier key, or an unknown one, is answered with the current sealing key', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const old = await sealingKeyOf(ada);
    const content = { provider: 'OPENAI', baseUrl: null, secret: 'sk-sim-good-0123456789' };
    const sealedEarlier = await seal(ada, content);
    await rotateTenant(server.app, ada.workspaceId);
    const renewed = await sealingKeyOf(ada);
    expect(renewed.id).not.toBe(old.id);

    const sealedWithNone = { ...sealedEarlier, keyId: old.id.replace('.1.', '.9.') };
    for (const sealed of [sealedEarlier, sealedWithNone])
      expect(await addKey(ada, { provider: 'OPENAI', sealed })).toEqual({
        __typename: 'StaleSealingKeyError',
        sealingKey: renewed,
        code: 'STALE_SEALING_KEY',
        message: 'The sealing key has changed. Seal the secret again with the new one.',
        fixableBy: 'YOU',
        retryAt: null,
      });
    expect(server.simulator.requests).toEqual([]);
    expect(await addKey(ada, { provider: 'OPENAI', sealed: await seal(ada, content) })).toMatchObject({
      apiKey: { status: 'ACTIVE' },
    });
  });

  test('a renewed sealing key seals a key whose check began before it was renewed', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const { OPENAI } = server.app.providers;
    const check = OPENAI.checkKey;
    vi.spyOn(OPENAI, 'checkKey').mockImplementation(async (call) => {
      await rotateTenant(server.app, ada.workspaceId);
      return await check(call);
    });
    const generation = async (id: string) =>
      await server.app.db
        .select({ generation: apiKeys.generation, version: apiKeys.version })
        .from(apiKeys)
        .where(eq(apiKeys.id, id));
    const { apiKey } = await ada.addKey('OPENAI', 'sk-sim-good-0123456789');
    expect(await generation(apiKey.id)).toEqual([{ generation: 2, version: 1 }]);
    const replaced = { id: apiKey.id, secret: 'sk-sim-good-9876543210' };
    expect(await ada.run('replace-api-key-secret', { input: replaced })).toMatchObject({
      apiKey: { hint: '3210' },
    });
    expect(await generation(apiKey.id)).toEqual([{ generation: 3, version: 3 }]);
    expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
      apiKey: { status: 'ACTIVE' },
    });
  });
});

test('a server that takes only sealed keys refuses plain ones', async () => {
  await using server = await startTestServer({ LATCHKEY_REQUIRE_SEALED_KEYS: 'on' });
  const ada = await server.signUp();
  expect(await ada.addKey('OPENAI', 'sk-sim-good')).toMatchObject({
    __typename: 'InvalidInputError',
    fields: [
      {
        path: 'secret',
        message: 'This server takes only sealed keys. Seal the secret with /seal.js and send sealed.',
      },
    ],
  });
  const sealed = await seal(ada, { provider: 'OPENAI', baseUrl: null, secret: 'sk-sim-good' });
  expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject({ apiKey: { status: 'ACTIVE' } });
});

test('eight providers and three typos can be checked in ten minutes; after ten refused checks none is made', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const wrong = (secret: string) => ada.addKey('OPENAI', secret);
  const begun = [1, 2, 3].map((number) => wrong(`sk-sim-wrong-${number}`));
  for (const provider of PROVIDER_NAMES)
    begun.push(
      addKey(ada, {
        provider,
        secret: 'sk-sim-good-0123456789',
        baseUrl: provider === 'CUSTOM' ? server.simulator.baseUrls.CUSTOM : null,
      }),
    );
  const added = (await Promise.all(begun)) as KeyResult[];
  expect(added.filter(({ __typename }) => __typename === 'BusyError')).toEqual([]);

  // Asked for all at once, and yet no more of them are made.
  const asked = server.simulator.requests.length;
  const more = await Promise.all([...'0123456789'].map((number) => wrong(`sk-sim-wrong-4${number}`)));
  expect(server.simulator.requests.length - asked).toBe(7);
  const refused = (more as KeyResult[]).filter(({ __typename }) => __typename === 'BusyError');
  expect(refused).toHaveLength(3);
  expect(refused[0]).toMatchObject({
    code: 'BUSY',
    message: 'Too many keys were checked in the last 10 minutes. Wait a little, then try again.',
  });
  const retryAtMs = Date.parse(refused[0]?.retryAt ?? '');
  expect(retryAtMs).toBeGreaterThan(Date.now() + 8 * 60_000);
  expect(retryAtMs).toBeLessThanOrEqual(Date.now() + 10 * 60_000);
  expect(await ada.addKey()).toMatchObject({ code: 'BUSY' });
  // Another person behind the same address still has checks left.
  expect(await (await server.signUp('Eve')).addKey()).toMatchObject({ apiKey: { status: 'ACTIVE' } });
});

test('the fifty-first key of a workspace is refused, and a removed one makes room', async () => {
  await using server = await startTestServer();
  const eve = await server.signUp('Eve');
  const { apiKey } = await eve.addKey('OPENAI');
  const { db } = server.app;
  const [row] = await db.select().from(apiKeys).where(eq(apiKeys.id, apiKey.id));
  if (row === undefined) throw new Error('the key is not there');
  const { tenantId: _generated, ...copied } = row;
  await db
    .insert(apiKeys)
    .values(
      Array.from({ length: 49 }, (_none, index) => ({ ...copied, id: newId('key'), position: index + 2 })),
    );
  const input = { workspaceId: eve.workspaceId, provider: 'OPENAI', secret: 'sk-sim-good-0123456789' };
  expect(await eve.run('add-api-key', { input })).toMatchObject({
    __typename: 'ConflictError',
    code: 'CONFLICT',
    message: 'This workspace has 50 keys, which is the most. Remove one first.',
  });
  await eve.run('remove-api-key', { input: { id: apiKey.id } });
  expect(await eve.run('add-api-key', { input })).toMatchObject({ __typename: 'AddApiKeyPayload' });
});

test('a plan without keys takes none, suspends those there are, and a better plan wakes them unchanged', async () => {
  const database = await freshDatabase();
  const shared = { database: { ...database, close: async () => {} } };
  const env = { LATCHKEY_AUTH_SECRET: 'o3q1Zc8VhFq2mXbY5tN7rW0kLpS9dGjE4uIaT6fHxQM=' };
  let token: string;
  {
    await using server = await startTestServer({ ...env, LATCHKEY_DEFAULT_PLAN: 'PREMIUM' }, shared);
    const ada = await server.signUp();
    await ada.addKey('OPENAI', 'sk-sim-good-0123456789');
    token = ada.token;
  }
  {
    await using server = await startTestServer({ ...env, LATCHKEY_DEFAULT_PLAN: 'FREE' }, shared);
    const ada = { ...(await server.signUp('Eve')), token };
    const planless = { code: 'PLAN_REQUIRED', requiredPlan: 'PREMIUM', fixableBy: 'WORKSPACE_ADMIN' };
    const query = `mutation ($input: AddApiKeyInput!) {
      addApiKey(input: $input) { ... on PlanRequiredError { code requiredPlan fixableBy message } }
    }`;
    const eve = await server.signUp('Eve');
    const input = { workspaceId: eve.workspaceId, provider: 'OPENAI', secret: 'sk-sim-good' };
    expect((await rawBody(eve, query, { input })).data).toMatchObject({ addApiKey: planless });
    expect(server.simulator.requests).toEqual([]);

    const { data } = await rawBody(
      ada,
      '{ viewer { personalWorkspace { plan apiKeys { nodes { status statusMessage isEnabled } } models { nodes { isAvailable unavailableReason paidBy } } } } }',
    );
    expect(data).toMatchObject({
      viewer: {
        personalWorkspace: {
          plan: 'FREE',
          apiKeys: {
            nodes: [
              {
                status: 'SUSPENDED',
                statusMessage:
                  'The plan does not include this provider key. The owner of the workspace or team can ask the operator of this server to change it.',
                isEnabled: true,
              },
            ],
          },
        },
      },
    });
    const { models } = (data.viewer as { personalWorkspace: { models: { nodes: object[] } } })
      .personalWorkspace;
    expect(models.nodes.length).toBeGreaterThan(0);
    for (const model of models.nodes)
      expect(model).toEqual({ isAvailable: false, unavailableReason: 'PLAN_REQUIRED', paidBy: null });
  }
  {
    await using server = await startTestServer({ ...env, LATCHKEY_DEFAULT_PLAN: 'BUSINESS' }, shared);
    const { data } = await rawBody(
      { url: server.url, token },
      '{ viewer { personalWorkspace { apiKeys { nodes { status statusMessage hint } } } } }',
    );
    expect(data).toEqual({
      viewer: {
        personalWorkspace: { apiKeys: { nodes: [{ status: 'ACTIVE', statusMessage: null, hint: '6789' }] } },
      },
    });
  }
  await database.close();
});

describe('a stored key', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());

  test.runIf(SERVERS === 1)('a stored key is checked again, and the result is its status', async () => {
    const ada = await server.signUp();
    const { apiKey, models } = await ada.addKey('OPENAI', 'sk-sim-good-0123456789');
    const { OPENAI } = server.app.providers;
    const { checkKey } = OPENAI;
    vi.spyOn(OPENAI, 'checkKey').mockImplementation((call) =>
      checkKey({ ...call, secret: call.secret.replace('good', 'wrong') }),
    );
    const sentence = 'OpenAI did not accept this key. Check that it is complete and active, or replace it.';
    expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toEqual({
      __typename: 'ProviderRefusedError',
      code: 'INVALID_KEY',
      message: sentence,
      fixableBy: 'YOU',
      retryAt: null,
      provider: 'OPENAI',
      storedApiKey: { ...(await keysOf(ada))[0], status: 'INVALID', statusMessage: sentence },
    });
    expect(byId(await modelsOf(ada))).toMatchObject(
      byId(models).map(({ id }) => ({
        id,
        isAvailable: false,
        unavailableReason: 'INVALID_KEY',
        paidBy: null,
      })),
    );
    vi.restoreAllMocks();
    expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
      __typename: 'CheckApiKeyPayload',
      apiKey: { status: 'ACTIVE', statusMessage: null },
      models: models.map(({ id }) => ({ id, isAvailable: true })),
    });
    expect((await modelsOf(ada)).every(({ isAvailable }) => isAvailable)).toBe(true);
  });

  test('refreshing the models of a key keeps those gone from the list, which cannot be asked', async () => {
    const ada = await server.signUp();
    const { apiKey, models } = await ada.addKey('MISTRAL');
    for (const { providers } of server.apps) {
      const { checkKey } = providers.MISTRAL;
      vi.spyOn(providers.MISTRAL, 'checkKey').mockImplementation(
        async (call) => (await checkKey(call))?.slice(1) ?? null,
      );
    }
    const refreshed = await ada.run<KeyResult>('check-api-key', { input: { id: apiKey.id } });
    expect(refreshed.models.map(({ id }) => id)).toEqual(models.slice(1).map(({ id }) => id));
    expect((await modelsOf(ada)).find(({ id }) => id === models[0]?.id)).toMatchObject({
      isAvailable: false,
      unavailableReason: 'NO_KEY',
    });
  });

  test.runIf(SERVERS === 1)(
    'a stored key that was removed while it was checked is not there any more, and no model comes back with it',
    async () => {
      const ada = await server.signUp();
      const { apiKey } = await ada.addKey('OPENAI');
      const { OPENAI } = server.app.providers;
      const { checkKey } = OPENAI;
      vi.spyOn(OPENAI, 'checkKey').mockImplementation(async (call) => {
        await ada.run('remove-api-key', { input: { id: apiKey.id } });
        return await checkKey(call);
      });
      expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
        code: 'NOT_FOUND',
      });
      expect((await modelsOf(ada)).some(({ isAvailable }) => isAvailable)).toBe(false);
    },
  );

  test('a stored key is renamed, switched off and on, and runs out on its day', async () => {
    const ada = await server.signUp();
    const { apiKey } = await ada.addKey();
    const update = async (input: object) =>
      (await ada.run<KeyResult>('update-api-key', { input: { id: apiKey.id, ...input } })).apiKey;
    const reasons = async () => [...new Set((await modelsOf(ada)).map((model) => model.unavailableReason))];

    expect(await update({ label: '  Work  ' })).toMatchObject({ label: 'Work', status: 'ACTIVE' });
    expect(await update({ isEnabled: false })).toMatchObject({
      label: 'Work',
      isEnabled: false,
      status: 'DISABLED',
      statusMessage: 'This key is switched off. Switch it on to use it again.',
    });
    expect(await reasons()).toEqual(['NO_KEY']);
    expect(await update({ isEnabled: true })).toMatchObject({ status: 'ACTIVE', statusMessage: null });
    expect(await reasons()).toEqual([null]);

    const past = '2020-01-01T00:00:00.000Z';
    expect(await update({ expiresAt: past })).toMatchObject({
      expiresAt: past,
      status: 'EXPIRED',
      statusMessage: 'The expiry date set for this key has passed. Set a later one to use it again.',
    });
    expect(await reasons()).toEqual(['KEY_EXPIRED']);
    expect(await update({ label: 'Home' })).toMatchObject({ expiresAt: past });
    expect(await update({ expiresAt: null })).toMatchObject({ expiresAt: null, status: 'ACTIVE' });
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect(await update({ expiresAt: later })).toMatchObject({ expiresAt: later, status: 'ACTIVE' });
    expect(
      await ada.run('update-api-key', { input: { id: apiKey.id, label: 'x'.repeat(101) } }),
    ).toMatchObject({
      __typename: 'InvalidInputError',
      code: 'BAD_INPUT',
    });
  });

  test('a stored key gets another secret and stays the same key', async () => {
    const ada = await server.signUp();
    const { apiKey } = await addKey(ada, { provider: 'XAI', secret: 'sk-sim-nolist-0123', label: 'Grok' });
    expect(apiKey.statusMessage).not.toBeNull();
    const sealed = await seal(ada, { provider: 'XAI', baseUrl: null, secret: 'sk-sim-good-9876543210' });
    const input = { id: apiKey.id, sealed };
    expect(await ada.run('replace-api-key-secret', { input })).toMatchObject({
      __typename: 'ReplaceApiKeySecretPayload',
      apiKey: { id: apiKey.id, hint: '3210', status: 'ACTIVE', statusMessage: null },
    });
    expect(await keysOf(ada)).toMatchObject([{ id: apiKey.id, label: 'Grok', hint: '3210' }]);
    expect((await modelsOf(ada)).every(({ isAvailable }) => isAvailable)).toBe(true);
    expect(
      await ada.run('replace-api-key-secret', {
        input: { id: apiKey.id, secret: 'sk-sim-good', baseUrl: 'https://llm.example.com' },
      }),
    ).toMatchObject({ __typename: 'InvalidInputError' });
  });

  test('a stored key of a CUSTOM server moves to another base URL only with a secret, and keeps it when none is given', async () => {
    const ada = await server.signUp();
    const baseUrl = server.simulator.baseUrls.CUSTOM;
    const { apiKey } = await addKey(ada, { provider: 'CUSTOM', secret: 'sk-sim-first', baseUrl });
    const replace = (input: object) =>
      ada.run<KeyResult>('replace-api-key-secret', { input: { id: apiKey.id, ...input } });
    expect(await replace({ baseUrl })).toMatchObject({ __typename: 'InvalidInputError' });
    const content = { provider: 'CUSTOM', secret: 'sk-sim-second' };
    expect(await replace({ sealed: await seal(ada, { ...content, baseUrl }) })).toMatchObject({
      apiKey: { status: 'ACTIVE' },
    });
    const moved = `${baseUrl}/elsewhere`;
    expect(await replace({ baseUrl: moved, sealed: await seal(ada, { ...content, baseUrl }) })).toMatchObject(
      {
        __typename: 'InvalidInputError',
      },
    );
    expect(
      await replace({ baseUrl: moved, sealed: await seal(ada, { ...content, baseUrl: moved }) }),
    ).toMatchObject({
      apiKey: { id: apiKey.id },
    });
    expect(await keysOf(ada)).toMatchObject([{ baseUrl: moved }]);
    // The models belong to the place where they were listed.
    for (const model of await modelsOf(ada))
      expect(model).toMatchObject({ isAvailable: false, unavailableReason: 'NO_KEY' });
  });

  test('a stored key that was removed leaves its threads readable, and a new key of that provider wakes the same models', async () => {
    const ada = await server.signUp();
    const { apiKey, models } = await ada.addKey('OPENAI');
    const sent = await ada.ask('Remember me.', models.slice(0, 1));
    const threadId = await endOfAnswer(ada, sent.answers[0]?.id ?? '');

    const removed = await ada.run<KeyResult & { models: ListedModel[] }>('remove-api-key', {
      input: { id: apiKey.id },
    });
    expect(removed).toMatchObject({ __typename: 'RemoveApiKeyPayload', removedId: apiKey.id });
    expect(removed.models).toMatchObject(
      models.map(({ id }) => ({ id, isAvailable: false, unavailableReason: 'NO_KEY' })),
    );
    expect(await keysOf(ada)).toEqual([]);
    expect(await ada.run('remove-api-key', { input: { id: apiKey.id } })).toMatchObject({
      code: 'NOT_FOUND',
    });
    const thread = await ada.run<ReadThread>('thread', { id: threadId });
    expect(thread).toMatchObject({ canGenerate: false, cannotGenerateReason: 'NO_KEY', viewerCanSend: true });
    expect(nodesOf(thread.messages).map(({ role }) => role)).toEqual(['USER', 'ASSISTANT']);
    expect(thread.messages.edges[1]?.node.text).toContain('Remember me.');
    const modelIds = models.slice(0, 1).map(({ id }) => id);
    expect(await ada.run('send-message', { input: { threadId, text: 'Again?', modelIds } })).toMatchObject({
      __typename: 'ModelUnavailableError',
      code: 'NO_KEY',
      suggestions: [],
    });

    const again = await ada.addKey('OPENAI');
    expect(again.models.map(({ id }) => id)).toEqual(models.map(({ id }) => id));
    expect(await ada.run('thread', { id: threadId })).toMatchObject({
      canGenerate: true,
      cannotGenerateReason: null,
    });
  });

  test('the key of another person is answered byte for byte like one that does not exist, and no provider is asked', async () => {
    const [ada, eve] = [await server.signUp(), await server.signUp('Eve')];
    const { apiKey } = await ada.addKey();
    const asked = server.simulator.requests.length;
    const never = newId('key');
    const variables: [string, (id: string) => object][] = [
      ['check-api-key', (id) => ({ input: { id } })],
      ['update-api-key', (id) => ({ input: { id, label: 'Mine', isEnabled: false } })],
      ['replace-api-key-secret', (id) => ({ input: { id, secret: 'sk-sim-good' } })],
      ['remove-api-key', (id) => ({ input: { id } })],
    ];
    for (const [operation, of] of variables) {
      const answers = await Promise.all(
        [apiKey.id, never].map((id) => bodyText(eve, documentOf(operation), of(id))),
      );
      expect(answers[0]).toBe(answers[1]);
      expect(answers[0]).toContain('"code":"NOT_FOUND"');
    }
    const node = 'query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }';
    expect(await bodyText(eve, node, { id: apiKey.id })).toBe('{"data":{"node":null,"nodes":[null]}}');
    expect(await bodyText(eve, node, { id: never })).toBe('{"data":{"node":null,"nodes":[null]}}');
    const adding = (workspaceId: string) =>
      bodyText(eve, documentOf('add-api-key'), {
        input: { workspaceId, provider: 'OPENAI', secret: 'sk-sim-good' },
      });
    expect(await adding(ada.workspaceId)).toBe(await adding(newId('wsp')));
    expect(server.simulator.requests).toHaveLength(asked);
    expect(await keysOf(ada)).toMatchObject([{ id: apiKey.id, isEnabled: true }]);
  });
});

interface ReadThread {
  canGenerate: boolean;
  messages: Page<{ role: string; text: string }>;
}

function bearerOf(headers: { authorization?: string | undefined }): string | undefined {
  return headers.authorization?.replace('Bearer ', '');
}

/** The selector's list is in an order of its own. */
function byId<Model extends { id: string }>(models: readonly Model[]): Model[] {
  return models.toSorted((left, right) => (left.id < right.id ? -1 : 1));
}
