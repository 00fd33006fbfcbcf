import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { describe, expect, inject, test } from 'vitest';
import { openDatabase } from '../src/db/database.ts';
import { readProgramName } from '../src/db/migration-file.ts';
import { databaseCopies } from '../src/db/tables/database-copy.ts';
import { oldestPrograms } from '../src/db/tables/oldest-program.ts';
import { users } from '../src/db/tables/user.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import { askHeld, readAnswer } from './kit/answer.ts';
import { newDataFolder, runCommand, startCommand } from './kit/command.ts';
import { createDatabase, createMigratedDatabase } from './kit/database.ts';
import { letIn, newTeamAndWorkspace, newWorkspace } from './kit/people.ts';
import { type Person, personOf, signUp } from './kit/person.ts';
import { startServerProcess } from './kit/process.ts';
import { say } from './kit/say.ts';

const serverUrl = inject('postgresUrl') ?? '';
const KILLS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 4);
const timeout = 120_000 + KILLS * 20_000;
const UNFINISHED =
  'This database is an unfinished copy of an embedded one. Run database copy again until it says that the copy is finished, ' +
  'or use an empty database.';

describe.runIf(serverUrl !== '')('a copy into a PostgreSQL database', { timeout }, () => {
  test('that is killed at any moment goes on where it was, holds every row as it was, and a server goes on with the chat', async () => {
    await using house = await prepareHouse();
    const before = await rowsIn({ dataDir: house.folder });
    const whole = await createDatabase(serverUrl);
    const startedAtMs = performance.now();
    const first = await house.copyTo(whole).ended;
    const runMs = performance.now() - startedAtMs;
    expect(first).toMatchObject({ exitCode: 0, error: '' });

    const resumed: number[] = [];
    let target = await createDatabase(serverUrl);
    for (let kills = 0; kills < KILLS; ) {
      const copy = house.copyTo(target);
      const timer = setTimeout(() => copy.process.kill('SIGKILL'), Math.random() * runMs);
      const { exitCode, out } = await copy.ended;
      clearTimeout(timer);
      const rows = /^Going on with a copy: ([\d,]+) rows? of /m.exec(out)?.[1];
      if (rows !== undefined) resumed.push(Number(rows.replaceAll(',', '')));
      if (exitCode === null) kills += 1;
      else target = await createDatabase(serverUrl); // it was faster than its kill
    }
    const last = await house.copyTo(target).ended;
    expect(last).toMatchObject({ exitCode: 0, error: '' });
    expect(last.out).toContain(`DATABASE_URL to the URL of the target`);
    expect(last.out).toContain(`LATCHKEY_ROOT_KEY_FILE to ${house.secrets.LATCHKEY_ROOT_KEY_FILE}`);
    expect(last.out).toContain(`LATCHKEY_AUTH_SECRET_FILE to ${house.secrets.LATCHKEY_AUTH_SECRET_FILE}`);
    expect(resumed.length).toBeGreaterThan(0);

    expect(await rowsIn({ dataDir: house.folder })).toEqual(before);
    expect(await rowsIn({ databaseUrl: target })).toEqual(before);
    expect(await schemaOf(target)).toEqual(await schemaOf(await createMigratedDatabase(serverUrl)));
    const env = { ...house.secrets, DATABASE_URL: target };
    expect(await runCommand(['keys', 'verify'], env)).toMatchObject({ exitCode: 0, error: '' });
    expect((await runCommand(['audit', 'verify'], env)).out).toMatch(
      /4 audit logs, \d+ entries, all as recorded/,
    );
    await house.goOn(env);
    say(
      `database copy of ${before.length} rows: killed ${KILLS} times within ${Math.round(runMs)} ms; ` +
        `${resumed.length} runs went on with ${resumed.join(', ')} rows`,
    );
  });

  test('that is unfinished is refused by a server and every command, finishes only if every row is the same, and goes on only with the same rows', async () => {
    const { folder, copy } = await smallHouse();
    const target = await createDatabase(serverUrl);
    expect((await copy(target)).exitCode).toBe(0);
    await changeIn({ databaseUrl: target }, async (db) => {
      await db.update(users).set({ name: 'Mallory' });
      await db.update(databaseCopies).set({ finishedAt: null });
    });

    const env = { ...secretsOf(folder), DATABASE_URL: target };
    for (const words of [['serve'], ['migrate'], ['keys', 'verify'], ['user', 'list']])
      expect(await runCommand(words, { PORT: '0', ...env })).toEqual({
        exitCode: 78,
        out: '',
        error: UNFINISHED,
      });
    const different = await copy(target);
    expect(different.exitCode).toBe(1);
    expect(different.out).toContain(
      'users: not the same in the target. Empty the target and run this again.',
    );
    expect(different.out).toMatch(/\nThe copy is not finished, and no server starts on the target\.$/);

    await changeIn({ dataDir: folder }, (db) =>
      db.insert(users).values({ name: 'Eve', email: 'e@b.example' }),
    );
    const refused = await copy(target);
    expect(refused.exitCode).toBe(78);
    expect(refused.error).toMatch(
      /^The target has an unfinished copy of other rows: .* Nothing was changed\.$/,
    );
  });

  test('is refused if the target holds anything, is finished or is used by a server, and changes nothing there', async () => {
    const { folder, copy } = await smallHouse();
    const filled = await createMigratedDatabase(serverUrl);
    await changeIn({ databaseUrl: filled }, (db) =>
      db.insert(users).values({ name: 'Eve', email: 'e@b.example' }),
    );
    const before = await rowsIn({ databaseUrl: filled });
    expect(await copy(filled)).toEqual({
      exitCode: 78,
      out: '',
      error:
        'The target holds data already, in the table users. Name an empty database. Nothing was changed.',
    });
    expect(await rowsIn({ databaseUrl: filled })).toEqual(before);

    const target = await createDatabase(serverUrl);
    expect((await copy(target)).exitCode).toBe(0);
    const again = await copy(target);
    expect(again.exitCode).toBe(78);
    expect(again.error).toMatch(/^A copy into this target was finished at .*Z\. Start Latchkey on it/);

    await changeIn({ dataDir: folder }, async (db) => {
      const name = '29991231235959_expand';
      await db.insert(oldestPrograms).values({ migration: name, program: readProgramName() });
      await db.execute(
        sql`insert into drizzle.__drizzle_migrations (hash, created_at, name) values ('', 0, ${name})`,
      );
    });
    expect(await copy(await createDatabase(serverUrl))).toMatchObject({
      exitCode: 78,
      error: 'A newer Latchkey has migrated one of the two databases. Copy with that one.',
    });

    const server = await startServerProcess({ ...secretsOf(folder), DATABASE_URL: target });
    const held = await copy(target);
    expect(held.exitCode).toBe(78);
    expect(held.error).toContain(`process ${server.process.pid},`);
  });

  test('names the target in a sentence about its URL, and never shows the password', async () => {
    const { folder } = await smallHouse();
    const url = new URL(serverUrl);
    url.pathname = '/no_such_database';
    url.password = 'hush';
    const refused = await runCommand(['database', 'copy', '--to', url.href], { LATCHKEY_DATA_DIR: folder });
    expect(refused).toEqual({
      exitCode: 78,
      out: '',
      error: 'The database server has no database of the name in --to. Create it first.',
    });
  });
});

describe('a copy is refused before anything is opened', { timeout: 60_000 }, () => {
  const TO = ['--to', 'postgres://nobody:hush@database.invalid/latchkey'];
  test.each([
    { title: 'without a target', words: [], exitCode: 64, error: /needs --to or LATCHKEY_COPY_TO/ },
    {
      title: 'into something else',
      words: ['--to', 'mysql://a:hush@b/c'],
      exitCode: 64,
      error: /^--to is not a URL/,
    },
    {
      title: 'with DATABASE_URL set',
      words: TO,
      env: { DATABASE_URL: 'postgres://nobody:hush@database.invalid/latchkey' },
      exitCode: 78,
      error: /^DATABASE_URL is set, but database copy reads the embedded database/,
    },
    {
      title: 'from a folder without a database',
      words: TO,
      exitCode: 78,
      error: /^The data folder \S+ has no embedded database\./,
    },
  ])('$title', async ({ words, env, exitCode, error }) => {
    const empty = await mkdtemp(join(tmpdir(), 'latchkey-copy-'));
    const result = await runCommand(['database', 'copy', ...words], { LATCHKEY_DATA_DIR: empty, ...env });
    expect(result).toEqual({ exitCode, out: '', error: expect.stringMatching(error) });
    expect(result.error).not.toContain('hush');
  });

  test('from a data folder that a server uses', async () => {
    const env = { LATCHKEY_DATA_DIR: await newDataFolder() };
    const server = await startServerProcess(env);
    const { exitCode, error } = await runCommand(['database', 'copy', ...TO], env);
    expect(exitCode).toBe(78);
    expect(error).toContain(`process ${server.process.pid},`);
    expect(error).toContain('Stop it first');
  });
});

/**
 * An embedded database that was filled through the API, with an answer that a crash has left as being written, and with so many
 * messages more that a copy takes its time.
 */
async function prepareHouse() {
  const folder = await newDataFolder();
  const simulator = await startSimulator({ paceMs: 0 });
  const { CUSTOM: _, ...urls } = simulator.baseUrls;
  const settings = { LATCHKEY_PROVIDER_URLS: JSON.stringify(urls) };
  const server = await startServerProcess({ LATCHKEY_DATA_DIR: folder, ...settings });
  const ada = await signUp(server.url, 'Ada');
  const bob = await signUp(server.url, 'Bob');
  await letIn(ada, await newWorkspace(ada), bob, 'ADMIN');
  const { teamId } = await newTeamAndWorkspace(ada);
  await letIn(ada, teamId, bob, 'MEMBER');
  const models = (await ada.addKey()).models;
  const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? expect.unreachable();
  const named = { workspaceId: ada.workspaceId, baseModelId: model.id, title: 'Kept' };
  await ada.run('create-model-variant', { input: { ...named, options: { temperature: 0.5 } } });
  for (const forEverybody of [true, false])
    await ada.run('set-model-preference', {
      input: { workspaceId: ada.workspaceId, modelId: model.id, isFavorite: true, forEverybody },
    });
  const question = 'What is “kept”?\n\\ "é" 🗝️';
  const sent = await ada.ask(question, [model]);
  const answer = await endOf(ada, sent.answers[0]?.id ?? '');
  const held = await askHeld(simulator, ada, model);
  held.call.release(1);
  server.process.kill('SIGKILL');
  await server.ended;
  await changeIn({ dataDir: folder }, (db) => db.execute(manyMessages(sent.thread.id)));
  const secrets = secretsOf(folder);
  return {
    folder,
    secrets,
    copyTo: (target: string) =>
      startCommand(['database', 'copy'], { LATCHKEY_DATA_DIR: folder, LATCHKEY_COPY_TO: target }),
    /** Signs in on a server with these settings, and asks a further question in the old thread, with the old key. */
    async goOn(env: Readonly<Record<string, string>>) {
      const next = await startServerProcess({ ...env, ...settings });
      const again = await signIn(next.url, ada.email);
      const left = await again.run<{ nodes?: unknown }>('thread', { id: held.threadId });
      expect(JSON.stringify(left)).toContain('"status":"INTERRUPTED"');
      const further = await again.run<{ answers: { id: string }[] }>('send-message', {
        input: {
          threadId: sent.thread.id,
          text: 'And now?\nsimulate: echo',
          modelIds: [model.id],
          parentId: sent.answers[0]?.id,
        },
      });
      const { turns } = JSON.parse(await endOf(again, further.answers[0]?.id ?? ''));
      expect(turns.map(({ text }: { text: string }) => text)).toEqual([
        question,
        answer,
        'And now?\nsimulate: echo',
      ]);
      next.process.kill('SIGTERM');
      expect((await next.ended).exitCode).toBe(0);
    },
    [Symbol.asyncDispose]: () => simulator.close(),
  };
}

/** Messages of which each replies to one with a later place and id, with all that text can hold. */
function manyMessages(threadId: string) {
  const idOf = (number: unknown) => sql`'msg_' || lpad((${number})::text, 26, '0')`;
  return sql`
    insert into messages (id, thread_id, position, parent_id, role, status, text, citations, created_at, is_usage_estimated)
    select ${idOf(sql`number`)}, ${threadId}, 1000 + number, case when number < ${MESSAGES} then ${idOf(sql`number + 1`)} end,
      'USER', 'COMPLETE', repeat(number || E' é"\\\\\\n🗝️\\t\\u2028{}', 20), json_build_array(number / 7.0, null, '\\')::jsonb,
      '1999-12-31 23:59:59.999+09'::timestamptz - number * interval '1 hour 1.001 seconds', case when number % 2 = 0 then true end
    from generate_series(1, ${MESSAGES}::int) as number`;
}

const MESSAGES = 30_000;

/** A data folder with its secrets and one account. */
async function smallHouse() {
  const folder = await newDataFolder();
  const server = await startServerProcess({ LATCHKEY_DATA_DIR: folder });
  await signUp(server.url);
  server.process.kill('SIGTERM');
  await server.ended;
  const copy = (target: string) =>
    runCommand(['database', 'copy', '--to', target], { LATCHKEY_DATA_DIR: folder });
  return { folder, copy };
}

/** What a server on PostgreSQL has to be given, as the data folder holds it. */
function secretsOf(folder: string) {
  return {
    LATCHKEY_ROOT_KEY_FILE: join(folder, 'secrets', 'root.key'),
    LATCHKEY_AUTH_SECRET_FILE: join(folder, 'secrets', 'auth.secret'),
  };
}

type Place = { dataDir: string } | { databaseUrl: string };

async function changeIn<Result>(
  place: Place,
  change: (db: Awaited<ReturnType<typeof openDatabase>>['db']) => PromiseLike<Result>,
): Promise<Result> {
  const { db, close } = await openDatabase({ databaseUrl: undefined, dataDir: '', ...place });
  try {
    return await change(db);
  } finally {
    await close();
  }
}

/** Every row of every table that is copied, in a form of its own, sorted. */
async function rowsIn(place: Place): Promise<string[]> {
  return await changeIn(place, async (db) => {
    const tables = await db
      .select({ name: sql<string>`tablename` })
      .from(sql`pg_tables`)
      .where(
        sql`schemaname = 'public' and tablename not in ('servers', 'database_copies', 'oldest_programs')`,
      );
    const rows: string[] = [];
    for (const { name } of tables) {
      const found = await db.execute<{ row: string }>(
        sql`select md5((to_jsonb(t) || '{}')::text) as row from ${sql.identifier(name)} t`,
      );
      rows.push(...found.map(({ row }) => `${name} ${row}`));
    }
    return rows.sort();
  });
}

/** What a database is made of besides rows: constraints and indexes. No column takes its values from a sequence. */
async function schemaOf(databaseUrl: string) {
  return await changeIn({ databaseUrl }, (db) =>
    db.execute(sql`
      select conrelid::regclass::text || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid) as part
      from pg_constraint where connamespace = 'public'::regnamespace
      union all select indexdef from pg_indexes where schemaname = 'public'
      union all select 'sequence ' || sequencename from pg_sequences order by part`),
  );
}

async function endOf(person: Person, answerId: string): Promise<string> {
  const socket = person.socket();
  const { end } = await readAnswer(socket, answerId);
  await socket.dispose();
  expect(end?.answer.status).toBe('COMPLETE');
  return end?.answer.text ?? '';
}

async function signIn(url: string, email: string): Promise<Person> {
  const response = await fetch(`${url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ email, password: 'correct horse battery' }),
  });
  return await personOf(url, email, response.headers.get('set-auth-token') ?? '');
}
