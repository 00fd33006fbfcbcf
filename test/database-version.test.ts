import { cpSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { explainFailure } from '../src/command/exit-code.ts';
import { type OpenDatabase, openDatabase } from '../src/db/database.ts';
import { confirmProgram } from '../src/db/migrate.ts';
import { readMigrations, readProgramName } from '../src/db/migration-file.ts';
import { NewerDatabaseError } from '../src/db/oldest-program.ts';
import { oldestPrograms } from '../src/db/tables/oldest-program.ts';
import { servers } from '../src/db/tables/server.ts';
import { MAIN, PROGRAM_FOLDER, startCommand } from './kit/command.ts';
import { createDatabase } from './kit/database.ts';
import { personOf, signUp } from './kit/person.ts';
import { newPlace } from './kit/process.ts';
import { newThread } from './kit/thread.ts';

const known = readdirSync(new URL('../drizzle', import.meta.url)).toSorted();
const NEWER = '29991231235959_from_the_future';

test('migrations that run are reported by name, and a database with one that the program does not know is refused with both versions', async () => {
  const open = await newDatabase();
  const reported: string[] = [];
  const database = await open((sentence) => reported.push(sentence));
  expect(reported).toEqual(known.map((name) => `The migration ${name} was applied to the database.`));
  await database.close();
  const again = await open((sentence) => reported.push(sentence));
  expect(reported).toHaveLength(known.length);

  const migrations = sql`drizzle.__drizzle_migrations`;
  await again.db.execute(sql`insert into ${migrations} (hash, created_at, name) values ('', 0, ${NEWER})`);
  await again.close();
  const failure = await open(() => {}).catch((error: unknown) => error);
  expect(explainFailure(failure)).toEqual({
    exitCode: 78,
    sentence: refusal(NEWER),
  });
}, 60_000);

test('every migration names an oldest program that exists and is not newer than itself, and the database holds them', async () => {
  const migrations = readMigrations();
  for (const { name, oldestProgram } of migrations) {
    expect(known).toContain(oldestProgram);
    expect(oldestProgram <= name).toBe(true);
  }
  const { db, close } = await (await newDatabase())(() => {});
  const recorded = await db.select().from(oldestPrograms).orderBy(oldestPrograms.migration);
  await close();
  expect(recorded).toEqual(
    migrations.map(({ name, oldestProgram }) => ({ migration: name, program: oldestProgram })),
  );
  expect(readProgramName()).toBe(known.at(-1));
});

describe('a program that is one migration newer', { timeout: 120_000 }, () => {
  const expanding = {
    [NEWER]: `-- oldest program: ${known.at(-1)}\nALTER TABLE "users" ADD COLUMN "nickname" text;`,
  };
  const contracting = { [NEWER]: `-- oldest program: ${NEWER}\nALTER TABLE "users" DROP COLUMN "image";` };
  const silent = { [NEWER]: 'ALTER TABLE "users" ADD COLUMN "nickname" text;' };

  test('shares a database with this one, whichever is started, if its migration only expands', async () => {
    const env = await newPlace();
    const newer = newerProgram(expanding);
    await (await start(env, PROGRAM_FOLDER)).stop();
    const first = await start(env, newer);
    const ada = await signUp(first.url);
    await first.stop();
    const second = await start(env, PROGRAM_FOLDER);
    const again = await personOf(second.url, ada.email, ada.token);
    expect((await newThread(again)).id).toMatch(/^thr_/);
    await second.stop();
    await (await start(env, newer)).stop();
  });

  test.runIf(inject('postgresUrl') !== undefined)(
    'runs beside this one if its migration only expands, and either can be started again',
    async () => {
      const env = { ...(await newPlace()), REDIS_URL: 'redis://127.0.0.1:1' }; // where nothing answers
      const newer = newerProgram(expanding);
      let [ours, theirs] = [await start(env, PROGRAM_FOLDER), await start(env, newer)];
      const ada = await signUp(ours.url);
      const { id } = await newThread(await personOf(theirs.url, ada.email, ada.token));
      await ours.stop();
      ours = await start(env, PROGRAM_FOLDER);
      await theirs.stop();
      theirs = await start(env, newer);
      for (const { url } of [ours, theirs]) {
        const again = await personOf(url, ada.email, ada.token);
        expect(await again.run('thread', { id })).toMatchObject({ id });
      }
      await Promise.all([ours.stop(), theirs.stop()]);
    },
  );

  test.each([
    { title: 'its migration asks for it', migration: contracting },
    { title: 'its migration says nothing', migration: silent },
  ])('ends the use of the database by this one if $title', async ({ migration }) => {
    const env = await newPlace();
    expect(await run(env, newerProgram(migration))).toMatchObject({ exitCode: 0 });
    for (const words of [['serve'], ['migrate']])
      expect(await run(env, PROGRAM_FOLDER, words)).toEqual({ exitCode: 78, out: '', error: refusal(NEWER) });
  });

  test('is named, of several migrations, by the newest that this one may not run on', async () => {
    const env = await newPlace();
    const contracted = '29991231235957_contract';
    const migrations = { [contracted]: `-- oldest program: ${contracted}\nselect 1;`, ...expanding };
    expect(await run(env, newerProgram(migrations))).toMatchObject({ exitCode: 0 });
    expect(await run(env, PROGRAM_FOLDER)).toEqual({ exitCode: 78, out: '', error: refusal(contracted) });
  });

  // Only a database server has a second process beside a running server.
  test.runIf(inject('postgresUrl') !== undefined)(
    'waits with a migration that this one may not run on until no server of this one runs',
    async () => {
      const env = await newPlace();
      const server = await start(env, PROGRAM_FOLDER);
      const ada = await signUp(server.url);
      const refused = await run(env, newerProgram(contracting));
      expect(refused).toMatchObject({ exitCode: 1, out: '' });
      expect(refused.error).toMatch(
        new RegExp(
          `^Nothing was changed: latchkey on \\S+, process ${server.pid}, is running, and the newest migration that it knows is ` +
            `${known.at(-1)}\\. After the migration ${NEWER} only a Latchkey that knows ${NEWER} may run\\. Stop that server first;`,
        ),
      );
      expect(await run(env, newerProgram(expanding))).toMatchObject({ exitCode: 0, error: '' });
      expect((await newThread(ada)).id).toMatch(/^thr_/);

      const [later, earlier] = ['29991231235960_contract', NEWER];
      const both = newerProgram({
        ...expanding,
        [later]: `-- oldest program: ${earlier}\nALTER TABLE "users" DROP COLUMN "image";`,
      });
      expect((await run(env, both)).error).toContain(
        `After the migration ${later} only a Latchkey that knows ${earlier} may run.`,
      );
      await server.stop();
      expect(await run(env, both)).toMatchObject({ exitCode: 0, error: '' });
      expect((await run(env, PROGRAM_FOLDER)).error).toBe(refusal(later));
    },
  );

  test.runIf(inject('postgresUrl') !== undefined)(
    'is noticed by a server that started while it migrated',
    async () => {
      const { DATABASE_URL = '' } = await newPlace();
      const newer = postgres(DATABASE_URL, { max: 1 });
      await newer`select pg_advisory_lock(${MIGRATION_LOCK})`;
      const confirmed = confirmProgram(DATABASE_URL).catch((error: unknown) => error);
      await newer`insert into drizzle.__drizzle_migrations (hash, created_at, name) values ('', 0, ${NEWER})`;
      await newer.end();
      expect(await confirmed).toEqual(new NewerDatabaseError(NEWER, known.at(-1) ?? ''));
    },
  );

  test.runIf(inject('postgresUrl') !== undefined)(
    'takes a server that did not record what it knows for older than all others, for half a minute',
    async () => {
      const env = await newPlace();
      const { db, close } = await openDatabase({ databaseUrl: env.DATABASE_URL, dataDir: '' });
      const row = {
        id: 'run_old',
        name: 'an old server',
        rootIds: [],
        authCheck: '',
        leaseUntil: sql`now()`,
      };
      await db.insert(servers).values(row);
      const refused = await run(env, newerProgram(expanding));
      expect(refused.error).toMatch(/^Nothing was changed: an old server, is running\. After the migration /);
      await db.update(servers).set({ leaseUntil: sql`now() - interval '16 seconds'` });
      await close();
      expect(await run(env, newerProgram(expanding))).toMatchObject({ exitCode: 0, error: '' });
    },
  );
});

const MIGRATION_LOCK = 7_345_001;

function refusal(inDatabase: string): string {
  return (
    `The database belongs to a newer Latchkey: it has the migration ${inDatabase}, and the newest one that this Latchkey knows ` +
    `is ${known.at(-1)}. Start the newer Latchkey, or restore the backup that was made before the upgrade. Nothing was changed.`
  );
}

/** The folder of this program with further migrations, by name. */
function newerProgram(migrations: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-newer-'));
  for (const part of ['src', 'drizzle', 'schema', 'package.json'])
    cpSync(join(PROGRAM_FOLDER, part), join(folder, part), { recursive: true });
  symlinkSync(join(PROGRAM_FOLDER, 'node_modules'), join(folder, 'node_modules'));
  for (const [name, text] of Object.entries(migrations)) {
    mkdirSync(join(folder, 'drizzle', name));
    writeFileSync(join(folder, 'drizzle', name, 'migration.sql'), text);
  }
  return folder;
}

async function run(env: Readonly<Record<string, string>>, program: string, words = ['migrate']) {
  return await startCommand(words, { PORT: '0', ...env }, '', onTestFinished, join(program, MAIN)).ended;
}

async function start(env: Readonly<Record<string, string>>, program: string) {
  const command = startCommand(['serve'], { PORT: '0', ...env }, '', onTestFinished, join(program, MAIN));
  const { url } = JSON.parse(await command.line(/Latchkey is ready/)) as { url: string };
  return {
    url,
    pid: command.process.pid,
    async stop() {
      command.process.kill('SIGTERM');
      expect((await command.ended).exitCode).toBe(0);
    },
  };
}

/** Opens a database of the engine under test in which nothing is yet, as often as it is called. */
async function newDatabase(): Promise<(report: (sentence: string) => void) => Promise<OpenDatabase>> {
  const serverUrl = inject('postgresUrl');
  const databaseUrl = serverUrl === undefined ? undefined : await createDatabase(serverUrl);
  const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-test-'));
  return (report) => openDatabase({ databaseUrl, dataDir }, report);
}
