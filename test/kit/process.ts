import { inject } from 'vitest';
import { type CommandProcess, newDataFolder, startCommand } from './command.ts';
import { createMigratedDatabase } from './database.ts';

/** A server that is a process of its own, and can be ended as such. */
export interface ServerProcess extends CommandProcess {
  url: string;
}

/** Starts `serve` and resolves once it is ready. `whenOver` is for tests that run beside others. */
export async function startServerProcess(
  env: Readonly<Record<string, string>>,
  whenOver?: (end: () => void) => void,
): Promise<ServerProcess> {
  const command = startCommand(['serve'], { PORT: '0', ...env }, '', whenOver);
  const ready = JSON.parse(await command.line(/Latchkey is ready/)) as { url: string };
  return { ...command, url: ready.url };
}

/** The settings of servers that follow each other on one new database of the engine under test. */
export async function newPlace(): Promise<Record<string, string>> {
  const serverUrl = inject('postgresUrl');
  if (serverUrl === undefined) return { LATCHKEY_DATA_DIR: await newDataFolder() };
  return { ...SECRETS, DATABASE_URL: await createMigratedDatabase(serverUrl) };
}

/** What a server on PostgreSQL does not invent. */
export const SECRETS = {
  LATCHKEY_ROOT_KEY: 'p0v0sGJYkTbT1wJq7k3n8m2cX4yZ5aB6dE9fH0iLuNw=',
  LATCHKEY_AUTH_SECRET: 'Zx8Lq2Vd0aFhB7nPcT3rWmK5sYj9GuE1oXiQ4tRv6Nk=',
};

/** How often a test does again what chance may decide. More rounds are worth their time only once in a while. */
export const ROUNDS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 2);
