import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ProviderError } from '../src/providers/failure/failure.ts';
import { GOOD_SECRET, holdChecks, liftCheckLimits } from './kit/altered-provider.ts';
import { keysOf } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import { auditOf, change, letIn, newWorkspace } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { inWorkspace } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** A check takes seconds: a person who may not manage the key any more at its end reads nothing of it and changes nothing. */

let server: TestServer;
let ada: Person;
let ben: Person;
let workspaceId: string;
let id: string;

beforeAll(async () => {
  server = await startTestServer();
  liftCheckLimits(server);
});
afterAll(() => server.close());
beforeEach(async () => {
  ada = await server.signUp();
  ben = await server.signUp('Ben');
  workspaceId = await newWorkspace(ada);
  await letIn(ada, workspaceId, ben, 'ADMIN');
  id = (await inWorkspace(ada, workspaceId).addKey('OPENAI', GOOD_SECRET)).apiKey.id;
});
afterEach(() => vi.restoreAllMocks());

const CHECKS = {
  checked: () => change(ben, 'check-api-key', { id }),
};

const LOSSES = [
  {
    loss: 'removed',
    code: 'NOT_FOUND',
    lose: () => change(ada, 'remove-member', { workspaceId, userId: ben.id }),
  },
  {
    loss: 'made a MEMBER',
    code: 'NOT_PERMITTED',
    lose: () => change(ada, 'update-member', { workspaceId, userId: ben.id, role: 'MEMBER' }),
  },
];

describe.each(Object.entries(CHECKS))('a key that is being %s', (_check, check) => {
  describe.each(LOSSES)('by a person who is $loss', ({ code, lose }) => {
    test.each([
      ['accepts', null],
      ['refuses', new ProviderError('INVALID_KEY', { status: 401 })],
      ['is down', new ProviderError('PROVIDER_OVERLOADED', { status: 503 })],
    ])('keeps its status when the provider %s it', async (_word, refusal) => {
      const manager = inWorkspace(ada, workspaceId);
      const before = await keysOf(manager);
      const held = holdChecks(server, 'OPENAI');
      const result = check();
      const asked = await eventually('the check', () => held[0]);
      await lose();
      if (refusal === null) asked.resolve([]);
      else asked.reject(refusal);
      expect(await result).toEqual({ ...(await check()), code });
      expect(await keysOf(manager)).toEqual(before);
      expect((await auditOf(server, workspaceId)).filter((entry) => entry.startsWith('KEY_CHECKED'))).toEqual(
        [],
      );
    });
  });
});
