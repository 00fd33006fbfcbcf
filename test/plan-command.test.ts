import { describe, expect, inject, test } from 'vitest';
import { newDataFolder, runCommand, startServe } from './kit/command.ts';
import { createMigratedDatabase } from './kit/database.ts';
import { type Person, signUp } from './kit/person.ts';

/** Opening a database in a process of its own takes seconds on a busy machine. */
const PROCESS_TIMEOUT_MS = 60_000;

const serverUrl = inject('postgresUrl');

describe('plan', () => {
  test.each([
    [['plan'], 'plan needs one of: set, show.'],
    [['plan', 'show'], 'plan show needs an email or the id of a user or team.'],
    [['plan', 'show', 'a@b.example', 'FREE'], '"FREE" is one word too many.'],
    [['plan', 'set', 'a@b.example'], 'plan set needs one of: FREE, PREMIUM, BUSINESS, DEFAULT.'],
    [['plan', 'set', 'a@b.example', 'free'], 'plan set needs one of: FREE, PREMIUM, BUSINESS, DEFAULT.'],
  ])('that makes no sense is refused: %j', async (words, sentence) => {
    expect(await runCommand(words)).toEqual({
      exitCode: 64,
      out: '',
      error: `${sentence} Run it with --help to see what there is.`,
    });
  });

  test(
    'is shown and set by email or id while the server is stopped, and a running one holds it off',
    async () => {
      const env = { LATCHKEY_DATA_DIR: await newDataFolder(), LATCHKEY_DEFAULT_PLAN: 'PREMIUM' };
      const server = await startServe(env);
      const ada = await signUp(server.url);
      expect(await runCommand(['plan', 'show', ada.email], env)).toMatchObject({ exitCode: 78 });
      await server.stop();

      const who = `${ada.email} (${ada.id})`;
      const steps: [string[], string][] = [
        [
          ['show', ada.email],
          `${who}: Premium, which is the default of this server. It pays for 1 workspace.`,
        ],
        [['set', ada.email, 'FREE'], `${who}: Free. Before: Premium. It pays for 1 workspace.`],
        [['show', ada.id], `${ada.id}: Free. It pays for 1 workspace.`],
        [
          ['set', ada.id, 'DEFAULT'],
          `${ada.id}: Premium, which is the default of this server. Before: Free. It pays for 1 workspace.`,
        ],
        [['set', ada.id, 'FREE'], `${ada.id}: Free. Before: Premium. It pays for 1 workspace.`],
      ];
      for (const [words, out] of steps)
        expect(await runCommand(['plan', ...words], env)).toEqual({ exitCode: 0, out, error: '' });
      for (const nobody of ['nobody@example.com', 'tem_00000000000000000000000000', 'usr_x'])
        expect(await runCommand(['plan', 'set', nobody, 'FREE'], env)).toEqual({
          exitCode: 1,
          out: '',
          error: `There is no account or team ${nobody}.`,
        });
      expect(await runCommand(['audit', 'verify'], env)).toMatchObject({ exitCode: 0 });

      const again = await startServe(env);
      expect(await addKeyAs(ada, again.url)).toMatchObject({ code: 'PLAN_REQUIRED' });
      await again.stop();
    },
    2 * PROCESS_TIMEOUT_MS,
  );

  test.runIf(serverUrl !== undefined)(
    'is set beside a running server on PostgreSQL, for which it counts from then on',
    async () => {
      const env = {
        DATABASE_URL: await createMigratedDatabase(serverUrl ?? ''),
        LATCHKEY_ROOT_KEY: 'p0v0sGJYkTbT1wJq7k3n8m2cX4yZ5aB6dE9fH0iLuNw=',
        LATCHKEY_AUTH_SECRET: 'Zx8Lq2Vd0aFhB7nPcT3rWmK5sYj9GuE1oXiQ4tRv6Nk=',
      };
      const server = await startServe(env);
      const ada = await signUp(server.url);
      expect(await runCommand(['plan', 'set', ada.email, 'FREE'], env)).toMatchObject({ exitCode: 0 });
      expect(await ada.addKey()).toMatchObject({ code: 'PLAN_REQUIRED' });
      await server.stop();
    },
    PROCESS_TIMEOUT_MS,
  );
});

/** The error for adding a key on a server at another address than before. */
async function addKeyAs({ token, workspaceId }: Person, url: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({
      query: 'mutation ($input: AddApiKeyInput!) { addApiKey(input: $input) { ... on UserError { code } } }',
      variables: { input: { workspaceId, provider: 'OPENAI', secret: 'sk-0123456789-0123456789' } },
    }),
  });
  return ((await response.json()) as { data: { addApiKey: unknown } }).data.addApiKey;
}
