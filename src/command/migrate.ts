import type { Config } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import { lockDataFolder } from './data-folder.ts';
import { printLine } from './terminal.ts';

/** Migrates the database, which opening it does. */
export async function migrate(config: Config): Promise<0> {
  const release = await lockDataFolder(config);
  try {
    const database = await openDatabase(config, printLine);
    await database.close();
    printLine(`The database is up to date: ${database.engine}.`);
    return 0;
  } finally {
    await release();
  }
}
