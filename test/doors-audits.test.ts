import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** Forms, which a server may accept and this one does not: a foreign page can make a browser send them. */
const LEFT_OUT = ['5A70', 'D6D5', '6A70'];

const audits = serverAudits({ url: () => `${server.url}/graphql`, fetchFn: fetch });

test.each(audits.map(({ id, name, fn }) => ({ id, name, fn })))(
  'GraphQL over HTTP, $id: $name',
  async ({ id, fn }) => {
    const result = await fn();
    const reason = result.status === 'ok' ? '' : result.reason;
    if (LEFT_OUT.includes(id)) expect(result.status).toBe('notice');
    else expect([result.status, reason]).toEqual(['ok', '']);
  },
);
