import { afterAll, beforeAll } from 'vitest';
import type { Person } from './person.ts';
import { startTestServer, type TestServer } from './server.ts';

/** A server that the tests of a file or group share, and a person who is signed in there. */
export interface Site {
  readonly server: TestServer;
  readonly ada: Person;
}

/** Starts a server before the first of the tests and stops it after the last. To be called where tests are described. */
export function useSite(env: Readonly<Record<string, string>> = {}): Site {
  let started: Site | undefined;
  beforeAll(async () => {
    const server = await startTestServer(env);
    started = { server, ada: await server.signUp() };
  });
  afterAll(() => started?.server.close());

  function site(): Site {
    if (started === undefined) throw new Error('There is no server before the first test.');
    return started;
  }
  return {
    get server() {
      return site().server;
    },
    get ada() {
      return site().ada;
    },
  };
}
