import type { Database } from '../db/database.ts';
import { settings } from '../db/tables/server.ts';

/** The id of this installation, by which its servers find each other in a Redis that others use too. */
export async function readInstallationId(db: Pick<Database, 'select'>): Promise<string> {
  const [row] = await db.select({ installationId: settings.installationId }).from(settings);
  if (row === undefined) throw new Error('the row of settings is missing, which a migration inserts');
  return row.installationId;
}
