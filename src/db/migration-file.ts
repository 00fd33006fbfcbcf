import { fileURLToPath } from 'node:url';
import { readMigrationFiles } from 'drizzle-orm/migrator';

/** A migration that this program knows. */
export interface Migration {
  name: string;
  /** The oldest program that may run on the database once this ran, named by the newest migration which that program knows. */
  oldestProgram: string;
}

/**
 * The migrations that this program knows, oldest first. One whose file begins with `-- oldest program: <migration>` allows the
 * programs that know this other migration as well; without that line it allows only those that know itself.
 */
export function readMigrations(): Migration[] {
  return readMigrationFiles({ migrationsFolder }).map(({ name, sql: [text = ''] }) => ({
    name,
    oldestProgram: /^-- oldest program: (\S+)/.exec(text)?.[1] ?? name,
  }));
}

/** The name of this program: its newest migration. Names begin with their time, so a newer program has a greater name. */
export function readProgramName(): string {
  return readMigrations().at(-1)?.name ?? '';
}

export const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url));
