import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { counted } from '../counted.ts';
import { copyRows } from '../db/copy/copy-rows.ts';
import {
  beginCopy,
  finishCopy,
  openCopyTarget,
  readForeignKeys,
  requireThisVersion,
} from '../db/copy/copy-target.ts';
import { digestOf, digestTables, type TableDigest } from '../db/copy/row-digest.ts';
import { printAlike, readTableShapes } from '../db/copy/table-shape.ts';
import type { Database } from '../db/database.ts';
import { lockDatabaseServer } from '../db/server-hold.ts';
import { ConfigError } from '../read-setting.ts';
import { madeSecretFile } from '../vault/secret-source.ts';
import { verifyAuditLogs } from './audit.ts';
import { explainFailure } from './exit-code.ts';
import { UsageError } from './help.ts';
import { verifyCommand } from './keys.ts';
import { printError, printLine } from './terminal.ts';
import { type SealedData, withSealedData } from './with-sealed-data.ts';

/** Runs `database copy` and returns its exit code. `to` is the URL of the target, else it is that of LATCHKEY_COPY_TO. */
export async function runDatabaseCommand(
  readSettings: () => Config,
  [action]: readonly string[],
  to: string | undefined,
): Promise<number> {
  if (action !== 'copy') throw new UsageError('database needs: copy.');
  if (to !== undefined && !/^postgres(ql)?:/.test(URL.parse(to)?.protocol ?? ''))
    throw new UsageError('--to is not a URL that begins with postgres:// or postgresql://.');
  const config = readSettings();
  const databaseUrl = to ?? config.copyTo;
  if (databaseUrl === undefined) throw new UsageError('database copy needs --to or LATCHKEY_COPY_TO.');
  requireEmbedded(config);
  return await withSealedData(config, async (source) => {
    try {
      return await copyInto(databaseUrl, source, config);
    } catch (error) {
      // What may fail from here on is nearly always the target, so a sentence about a URL is about that one.
      const { sentence, exitCode } = explainFailure(error);
      printError(sentence.replaceAll('DATABASE_URL', to === undefined ? 'LATCHKEY_COPY_TO' : '--to'));
      return exitCode;
    }
  });
}

/** Refuses settings with which there is nothing to copy: opening an embedded database that does not exist would make one. */
function requireEmbedded({ databaseUrl, dataDir }: Config): void {
  if (databaseUrl !== undefined)
    throw new ConfigError(
      'DATABASE_URL is set, but database copy reads the embedded database in the data folder. Unset it, and name the target with --to.',
    );
  if (!existsSync(join(dataDir, 'database')))
    throw new ConfigError(
      `The data folder ${dataDir} has no embedded database. Set LATCHKEY_DATA_DIR to the folder that has it.`,
    );
}

async function copyInto(databaseUrl: string, source: SealedData, config: Config): Promise<0 | 1> {
  const release = await lockDatabaseServer(databaseUrl, 'alone', () => {
    printError('A server has taken the target. Stop it, then run this again.');
    process.exit(1);
  });
  try {
    const target = await openCopyTarget(databaseUrl, printLine);
    try {
      if (!(await copyAndVerify(source, target.db))) {
        printLine('The copy is not finished, and no server starts on the target.');
        return 1;
      }
    } finally {
      await target.close();
    }
  } finally {
    await release();
  }
  printNextSteps(config);
  return 0;
}

/** Copies what the target lacks. True if the target then has the same rows, its keys open and its audit logs are as recorded. */
async function copyAndVerify({ db: source, rootKeys }: SealedData, target: Database): Promise<boolean> {
  await requireThisVersion(source);
  await printAlike(source);
  const tables = await readTableShapes(source);
  printLine('Reading the embedded database.');
  const expected = await digestTables(source, tables);
  const total = expected.reduce((sum, { rows }) => sum + rows, 0);

  const begun = await beginCopy(target, digestOf(tables, expected));
  if (begun.copiedRows > 0)
    printLine(
      `Going on with a copy: ${counted(begun.copiedRows, 'row')} of ${total.toLocaleString('en-US')} are there.`,
    );
  printLine(`Copying ${counted(total - begun.copiedRows, 'row')}. If this is interrupted, run it again.`);
  await copyRows({ source, target }, tables, begun, progressPrinter(begun.copiedRows, total));

  printLine('Comparing every row of both databases.');
  if (!printComparison(expected, await digestTables(target, tables))) return false;
  if ((await verifyCommand({ db: target, rootKeys, printLine })) !== 0) return false;
  if ((await verifyAuditLogs({ db: target, rootKeys }, [])) !== 0) return false;
  await finishCopy(target, await readForeignKeys(source));
  return true;
}

/** Counts the rows that are copied, and says now and then how many there are. */
function progressPrinter(begunRows: number, total: number): (rows: number) => void {
  let copiedRows = begunRows;
  let printedAtMs = performance.now();
  return (rows) => {
    copiedRows += rows;
    if (performance.now() - printedAtMs < PROGRESS_EVERY_MS) return;
    printedAtMs = performance.now();
    printLine(`${counted(copiedRows, 'row')} of ${total.toLocaleString('en-US')} are copied.`);
  };
}

const PROGRESS_EVERY_MS = 10_000;

/** Prints a line for each table. True if all are equal. */
function printComparison(expected: readonly TableDigest[], found: readonly TableDigest[]): boolean {
  const different = expected.filter(
    ({ rows, digest }, index) => found[index]?.rows !== rows || found[index]?.digest !== digest,
  );
  for (const table of expected)
    printLine(
      different.includes(table)
        ? `${table.name}: not the same in the target. Empty the target and run this again.`
        : `${table.name}: ${counted(table.rows, 'row')}, the same in both.`,
    );
  return different.length === 0;
}

function printNextSteps({ rootKey, rootKeyFile, authSecret, authSecretFile, dataDir, files }: Config): void {
  printLine(
    'The copy is finished. No row of the embedded database was changed. To serve from the copy, set:',
  );
  printLine('  DATABASE_URL to the URL of the target');
  printLine(
    `  ${secretStep('LATCHKEY_ROOT_KEY', rootKey, rootKeyFile ?? madeSecretFile(dataDir, 'root.key'))}`,
  );
  printLine(
    `  ${secretStep('LATCHKEY_AUTH_SECRET', authSecret, authSecretFile ?? madeSecretFile(dataDir, 'auth.secret'))}`,
  );
  if (files.isForOneServer) printLine(`  LATCHKEY_FILES_DIR to ${files.folder}, where uploaded files stay`);
  printLine(
    'Keep the data folder as a backup, and start no server on it again: the two would differ from then on.',
  );
}

/** On PostgreSQL no secret is made up, so the one that the embedded database was used with has to be named. */
function secretStep(name: string, value: string | undefined, file: string): string {
  return value === undefined ? `${name}_FILE to ${file}` : `${name} as it is set now`;
}
