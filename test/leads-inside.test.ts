import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addKey } from './kit/api-key.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const NAME = 'llm.example.com';
const SENTENCE =
  /^The name of this server leads into a private network\. .*LATCHKEY_ALLOWED_PRIVATE_HOSTS\.$/;

const systemLookup = dns.lookup;
/** Where the name leads; nowhere if null. */
let address: string | null = null;
let server: TestServer;

beforeAll(async () => {
  const lookup = (name: string, options: dns.LookupAllOptions, callback: (...found: unknown[]) => void) => {
    if (name !== NAME) return systemLookup(name, options, callback);
    if (address === null) return callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    callback(null, [{ address, family: 4 }]);
  };
  Object.assign(dns, { lookup });
  syncBuiltinESMExports();
  server = await startTestServer();
});
afterAll(async () => {
  Object.assign(dns, { lookup: systemLookup });
  syncBuiltinESMExports();
  await server.close();
});

test.each(['10.0.0.7', '127.0.0.1', '169.254.169.254'])(
  'a key for a server whose name leads to %s is refused, and its owner gets the reason',
  async (inside) => {
    address = inside;
    const ada = await server.signUp();
    const input = { provider: 'CUSTOM', secret: 'sk-sim-0', baseUrl: `https://${NAME}/v1` };
    const refused = await addKey(ada, input);
    expect(refused).toMatchObject({
      __typename: 'InvalidInputError',
      fields: [{ path: 'baseUrl', message: expect.stringMatching(SENTENCE) }],
    });
    expect(JSON.stringify(refused)).not.toContain(inside);
  },
);

test('checking a key whose name leads inside by now says so', async () => {
  address = null;
  const ada = await server.signUp();
  const input = { provider: 'CUSTOM', secret: 'sk-sim-0', baseUrl: `https://${NAME}/v1` };
  const { apiKey } = await addKey(ada, input);
  expect(apiKey.status).toBe('UNVERIFIED');
  address = '10.0.0.7';
  expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
    __typename: 'ProviderUnavailableError',
    code: 'NETWORK',
    message: expect.stringMatching(/could not be reached .* leads into a private network\./),
  });
});
