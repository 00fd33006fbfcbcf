import type { Config } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import { holdDataFolder } from './data-folder.ts';
import { say } from './terminal.ts';

/** Brings the database up to date, which opening it does. */
export async function migrate(config: Config): Promise<0> {
  const release = await holdDataFolder(config);
  try {
    const database = await openDatabase(config, say);
    await database.close();
    say(`The database is up to date: ${database.engine}.`);
    return 0;
  } finally {
    await release();
  }
}
