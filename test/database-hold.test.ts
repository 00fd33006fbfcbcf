import postgres from 'postgres';
import { describe, expect, inject, test } from 'vitest';
import { startCommand } from './kit/command.ts';
import { createDatabase } from './kit/database.ts';

const serverUrl = inject('postgresUrl');

describe.runIf(serverUrl !== undefined)('one server on one PostgreSQL database', { timeout: 60_000 }, () => {
  const secrets = {
    PORT: '0',
    LATCHKEY_ROOT_KEY: 'p0v0sGJYkTbT1wJq7k3n8m2cX4yZ5aB6dE9fH0iLuNw=',
    LATCHKEY_AUTH_SECRET: 'Zx8Lq2Vd0aFhB7nPcT3rWmK5sYj9GuE1oXiQ4tRv6Nk=',
  };

  async function startOn(databaseUrl: string) {
    const server = startCommand(['serve'], { ...secrets, DATABASE_URL: databaseUrl });
    await server.line(/Latchkey is ready/);
    return server;
  }

  test('a second server is refused with the name of the first, and can start once that is gone', async () => {
    const databaseUrl = await createDatabase(serverUrl ?? '');
    const first = await startOn(databaseUrl);
    const second = startCommand(['serve'], { ...secrets, DATABASE_URL: databaseUrl });
    const refused = await second.ended;
    expect(refused.exitCode).toBe(78);
    expect(refused.error).toContain(`process ${first.process.pid},`);
    first.process.kill('SIGKILL');
    await first.ended;
    const third = await startOn(databaseUrl);
    third.process.kill('SIGTERM');
    expect((await third.ended).exitCode).toBe(0);
  });

  test('five that start together on an empty database leave one, and one row for each migration', async () => {
    const databaseUrl = await createDatabase(serverUrl ?? '');
    const servers = Array.from({ length: 5 }, () =>
      startCommand(['serve'], { ...secrets, DATABASE_URL: databaseUrl }),
    );
    const outcomes = await Promise.all(
      servers.map(async (server) =>
        Promise.race([
          server.line(/Latchkey is ready/).then(() => 'ready'),
          server.ended.then(() => 'refused'),
        ]).catch(() => 'refused'),
      ),
    );
    expect(outcomes.sort()).toEqual(['ready', 'refused', 'refused', 'refused', 'refused']);
    const client = postgres(databaseUrl, { max: 1 });
    const rows =
      await client`select name, count(*)::int as times from drizzle.__drizzle_migrations group by name`;
    await client.end();
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.every(({ times }) => times === 1)).toBe(true);
  });

  test('a connection that breaks is opened again and holds on; one that comes too late ends its server', async () => {
    const databaseUrl = await createDatabase(serverUrl ?? '');
    const server = await startOn(databaseUrl);
    const client = postgres(databaseUrl, { max: 2 });
    const first = await holderOf(client);
    await client`select pg_terminate_backend(${first})`;
    let second = first;
    while (second === first || second === 0) second = await holderOf(client);
    expect(server.process.exitCode).toBeNull();

    // Another one waits this time, and is faster.
    const taken = client`select pg_advisory_lock(${LOCK})`.execute();
    await client`select pg_terminate_backend(${second})`;
    await taken;
    expect((await server.ended).exitCode).toBe(1);
    await client.end();
  });

  const LOCK = 7_345_002;

  /** The connection that holds the database at this moment; 0 for none. */
  async function holderOf(client: postgres.Sql): Promise<number> {
    const [row] = await client`
      select pid from pg_locks where locktype = 'advisory' and objid = ${LOCK} and granted
        and database = (select oid from pg_database where datname = current_database())`;
    return row?.pid ?? 0;
  }
});
