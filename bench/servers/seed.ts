import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LatchkeyHome } from './latchkey.ts';

/** What this uses of a checkout's `src/db/database.ts`. */
interface DatabaseModule {
  openDatabase(options: { databaseUrl: string | undefined; dataDir: string }): Promise<{
    db: { execute(query: string): Promise<unknown> };
    close(): Promise<void>;
  }>;
}

/**
 * Fills a workspace with threads while its server is stopped: through the API it would take minutes, and an embedded database
 * can be opened only by one process.
 */
export async function seedThreads(
  { checkout, dataDir, databaseUrl }: LatchkeyHome,
  workspaceId: string,
  count: number,
): Promise<void> {
  const file = pathToFileURL(join(checkout, 'src/db/database.ts')).href;
  const { openDatabase } = (await import(file)) as DatabaseModule;
  const { db, close } = await openDatabase({ databaseUrl, dataDir });
  try {
    await db.execute(
      `insert into threads (id, workspace_id, title, visibility, created_at, updated_at, last_message_at, shared_at)
       select 'thr_' || lpad(number::text, 26, '0'), '${workspaceId}', 'Thread ' || number, 'WORKSPACE', moment, moment, moment, moment
       from (select number, now() - number * interval '1 minute' as moment from generate_series(1, ${count}) as number) as made`,
    );
    await db.execute('analyze threads'); // autovacuum does so within a minute, and the embedded database when it is opened
  } finally {
    await close();
  }
}
