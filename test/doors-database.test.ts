import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { DatabaseAwayError } from '../src/db/connection.ts';
import { failStatements } from './kit/database.ts';
import { captureLog } from './kit/log.ts';
import { documentOf } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { startTestServer } from './kit/server.ts';
import { useSite } from './kit/site.ts';

const site = useSite();
afterEach(() => vi.restoreAllMocks());

const refusal = {
  message: 'The database cannot be reached, or is too busy. Wait a moment, then try again.',
  extensions: { code: 'OVERLOADED', retryAt: expect.stringMatching(/^\d{4}-.*Z$/) },
};

const passing: [string, Error][] = [
  ...[
    '53300',
    '53200',
    '53100',
    '55P03',
    '57014',
    '57P01',
    '57P02',
    '57P03',
    '08006',
    '25006',
    '40P01',
    '40001',
  ].map((code): [string, Error] => [
    code,
    Object.assign(new Error('remaining connection slots are reserved'), { code }),
  ]),
  ...(['NO_CONNECTION', 'NO_REPLY', 'CONNECTION_CLOSED'] as const).map((code): [string, Error] => [
    code,
    new DatabaseAwayError(code),
  ]),
  ['ECONNREFUSED', Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' })],
];

describe('a failure of the database that passes by itself', () => {
  test.each(passing)(
    'is OVERLOADED with a time to try again, over every transport: %s',
    async (_code, failure) => {
      const lines = captureLog();
      const opened = await openFor(site.ada);
      using _failing = failStatements(site.server.app.db, /insert into "threads"/, failure);
      const payload = {
        query: documentOf('create-thread'),
        variables: { input: { workspaceId: site.ada.workspaceId } },
      };
      for (const [accept, status] of [
        ['application/json', 200],
        ['application/graphql-response+json', 503],
        ['text/event-stream', 200],
      ] as const) {
        const response = await fetch(`${site.server.url}/graphql`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept,
            authorization: `Bearer ${site.ada.token}`,
          },
          body: JSON.stringify(payload),
        });
        expect([response.status, response.headers.get('retry-after')]).toEqual([status, '5']);
        const text = await response.text();
        const json = /^data: (.+)$/m.exec(text)?.[1] ?? text;
        expect(JSON.parse(json).errors).toEqual([expect.objectContaining(refusal)]);
      }
      const id = crypto.randomUUID();
      opened.send({ type: 'subscribe', id, payload });
      const { payload: result } = await opened.message('next', id);
      expect(result).toMatchObject({ errors: [refusal] });
      expect(JSON.stringify(result)).not.toContain('http');
      opened.socket.terminate();
      expect(lines.join()).not.toMatch(/slots|10\.0\.0\.7/);
      const failed = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'an operation failed');
      expect(failed.map(({ code }) => code)).toEqual(Array(4).fill('OVERLOADED'));
    },
  );

  test('a failure of the database that passes by itself is one at sign-in too', async () => {
    captureLog();
    vi.spyOn(site.server.app.db, 'select').mockImplementation(() => {
      throw new DatabaseAwayError('NO_CONNECTION');
    });
    const response = await fetch(`${site.server.url}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: site.server.url },
      body: JSON.stringify({ email: site.ada.email, password: 'correct horse battery' }),
    });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await response.json()).toEqual({ code: 'OVERLOADED', message: refusal.message });
  });

  test('a failure of the database that passes by itself is not every failure', async () => {
    captureLog();
    const failure = Object.assign(new Error('no'), { code: '23505' });
    using _failing = failStatements(site.server.app.db, /insert into "threads"/, failure);
    await expect(
      site.ada.run('create-thread', { input: { workspaceId: site.ada.workspaceId } }),
    ).rejects.toThrow('INTERNAL');
  });
});

test.runIf(inject('postgresUrl') !== undefined)(
  'a table that an operator holds locked costs its readers a few seconds and an OVERLOADED, and the rest of the server nothing',
  async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    captureLog();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: locked, resolve: lock } = Promise.withResolvers<void>();
    const holding = server.app.db.transaction(async (tx) => {
      await tx.execute('set local idle_in_transaction_session_timeout = 0');
      await tx.execute('lock table threads in access exclusive mode');
      lock();
      await released;
    });
    await locked;
    const startedAt = performance.now();
    const refused = ada.run('create-thread', { input: { workspaceId: ada.workspaceId } });
    expect(await ada.run('viewer')).toMatchObject({ user: { id: ada.id } });
    await expect(refused).rejects.toThrow('OVERLOADED');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    release();
    await holding;
    expect(await ada.run('create-thread', { input: { workspaceId: ada.workspaceId } })).toMatchObject({
      __typename: 'CreateThreadPayload',
    });
  },
  40_000,
);
