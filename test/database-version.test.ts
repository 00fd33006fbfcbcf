import { readdirSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { expect, inject, test } from 'vitest';
import { explainFailure } from '../src/command/exit-code.ts';
import { type OpenDatabase, openDatabase } from '../src/db/database.ts';
import { createDatabase } from './kit/database.ts';

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
    sentence:
      `The database belongs to a newer Latchkey: it has the migration ${NEWER}, and the newest one that this Latchkey knows ` +
      `is ${known.at(-1)}. Start the newer Latchkey, or restore the backup that was made before the upgrade. Nothing was changed.`,
  });
}, 60_000);

/** Opens a database of the engine under test in which nothing is yet, as often as it is called. */
async function newDatabase(): Promise<(report: (sentence: string) => void) => Promise<OpenDatabase>> {
  const serverUrl = inject('postgresUrl');
  const databaseUrl = serverUrl === undefined ? undefined : await createDatabase(serverUrl);
  const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-test-'));
  return (report) => openDatabase({ databaseUrl, dataDir }, report);
}
