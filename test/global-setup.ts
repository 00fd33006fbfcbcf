import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import type { TestProject } from 'vitest/node';
import { openEmbedded } from '../src/db/database.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** File that holds an embedded database with all migrations applied. */
    templateFile: string;
    /** PostgreSQL server to test on; undefined for the embedded database. */
    postgresUrl: string | undefined;
  }
}

/** Migrates one embedded database and hands it to the workers as a file: loading it takes a fifth of making it. */
export default async function setUp(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  const client = await PGlite.create();
  const { engine, close } = await openEmbedded(client);
  const templateFile = join(folder, 'template.tar');
  writeFileSync(templateFile, Buffer.from(await (await client.dumpDataDir('none')).arrayBuffer()));
  await close();
  const postgresUrl = process.env.LATCHKEY_TEST_DATABASE_URL;
  project.provide('templateFile', templateFile);
  project.provide('postgresUrl', postgresUrl);
  process.stdout.write(`Testing on ${postgresUrl === undefined ? engine : 'the PostgreSQL server given'}\n`);
  return () => rmSync(folder, { recursive: true });
}
