import { endAllLeases } from '../answers/take-over.ts';
import { type App, openApp } from '../app.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import { EngineStoppedError } from '../db/embedded-engine.ts';
import { reachDatabase } from '../db/reach-database.ts';
import { lockDatabaseServer } from '../db/server-hold.ts';
import { FLEET_TIMES, type FleetTimes } from '../fleet/times.ts';
import { failureName, log } from '../log.ts';
import { type RunningServer, startServer } from '../server/http.ts';
import { serveWaiting } from '../server/waiting.ts';
import { missingSecretSentence, SecretSourceError } from '../vault/secret-source.ts';
import { lockDataFolder, publishServerUrl } from './data-folder.ts';
import { explainFailure } from './exit-code.ts';
import { atSecondSignal, printError, printLine, shutdownSignal } from './terminal.ts';

/** Serves until a signal stops the process, then closes everything in order. `times` are others in tests. */
export async function serve(config: Config, times: FleetTimes = FLEET_TIMES): Promise<0> {
  requireSecrets(config);
  if (!config.isLoopback && config.publicUrl === undefined) printError(PUBLIC_URL_SENTENCE);
  const isTerminal = process.stdout.isTTY === true;
  const report = isTerminal ? printLine : (sentence: string) => log.info(sentence);
  if (config.isLoopback && config.isPublic) report(proxySentence(config));
  await waitForDatabase(config, isTerminal);
  const release = await lockDatabase(config);
  try {
    const database = await openDatabase(config, report, endWithDatabase);
    // A lone server holds the database, so all others have crashed or stopped.
    if (config.redis === undefined) await endAllLeases(database.db);
    const app = await openApp(config, report, { database, times });
    try {
      // Listens before the ready line is printed: a process that waits for that line may send the signal at once.
      const stopped = shutdownSignal();
      const server = await startServer(app, config);
      publishServerUrl(config, server.url);
      if (isTerminal) greet(config, server.url, app.engine);
      else log.info({ engine: app.engine, url: server.url }, 'Latchkey is ready');
      await stopped;
      await drain(app, server, config);
      await app.endAnswers(); // first, so that the followers of an answer still receive how it ended
      await server.close();
    } finally {
      await app.close();
    }
  } finally {
    await release();
  }
  if (isTerminal) printLine('Latchkey has stopped.');
  else log.info('Latchkey has stopped');
  return 0;
}

/**
 * Goes on with the answers that have begun and lets clients move to other servers, for as long as the settings say, or until a
 * second signal.
 */
async function drain(app: App, server: RunningServer, { drainMs, redis }: Config): Promise<void> {
  if (drainMs === 0) return;
  server.drain();
  const enough = new AbortController();
  atSecondSignal(() => enough.abort());
  log.info({ drainMs }, 'Latchkey begins no more answers and goes on with those that have begun');
  const until = AbortSignal.any([enough.signal, AbortSignal.timeout(drainMs)]);
  // Also if no answer is written: closed all at once, clients would come to the other servers all at once.
  await Promise.all([app.drain(until), redis && server.moveClients(drainMs, until)]);
}

/** Waits for a database server that starts later. Answers health checks meanwhile, or a service manager would restart this. */
async function waitForDatabase(config: Config, isTerminal: boolean): Promise<void> {
  if (config.databaseUrl === undefined) return;
  let stopAnswering: (() => Promise<void>) | undefined;
  try {
    await reachDatabase(config.databaseUrl, async (failure) => {
      stopAnswering ??= await serveWaiting(config);
      const { sentence } = explainFailure(failure);
      if (isTerminal) printError(`${sentence} Trying again.`);
      else log.warn({ failure: failureName(failure) }, `${sentence} Trying again.`);
    });
  } finally {
    await stopAnswering?.();
  }
}

/** Locks the database against every other server, or against lone ones. Returns a function that releases it. */
async function lockDatabase(config: Config): Promise<() => Promise<void>> {
  if (config.databaseUrl === undefined) return await lockDataFolder(config);
  const mode = config.redis === undefined ? 'alone' : 'shared';
  return await lockDatabaseServer(config.databaseUrl, mode, () => {
    // The other server has ended our answers at its start, so nothing may be written here any more.
    log.fatal('another server has taken the database');
    process.exit(1);
  });
}

/** Ends the process, in which the embedded database cannot be started again; the next one finds all that was saved. */
function endWithDatabase(): void {
  const { sentence, exitCode } = explainFailure(new EngineStoppedError());
  log.fatal(sentence);
  process.exit(exitCode);
}

/** Checks before connecting to the database that the secrets are set, which would otherwise be refused only afterwards. */
function requireSecrets(config: Config): void {
  if (config.databaseUrl === undefined) return;
  if (config.rootKey === undefined && config.rootKeyFile === undefined)
    throw new SecretSourceError(missingSecretSentence('LATCHKEY_ROOT_KEY'));
  if (config.authSecret === undefined && config.authSecretFile === undefined)
    throw new SecretSourceError(missingSecretSentence('LATCHKEY_AUTH_SECRET'));
}

function greet(config: Config, listeningUrl: string, engine: string): void {
  const url = config.publicUrl ?? listeningUrl;
  const socketUrl = url.replace(/^http/, 'ws');
  printLine('');
  printLine('Latchkey is ready. Ctrl-C stops it.');
  printLine('');
  printLine(`  Sign up and in   ${url}`);
  if (config.graphiql) printLine(`  GraphiQL         ${url}/graphql`);
  printLine(`  GraphQL          ${url}/graphql  ${socketUrl}/graphql`);
  printLine(`  Database         ${engine}`);
  if (config.databaseUrl === undefined) printLine(`  Data folder      ${config.dataDir}`);
  printLine('');
}

/** For a server behind a proxy on this machine, where HOST does not show that people on other machines reach it. */
function proxySentence({ signUp, graphiql }: Config): string {
  return (
    `LATCHKEY_PUBLIC_URL makes this server reachable from other machines, so the defaults are those of an open HOST: sign-up is ${signUp} ` +
    `and GraphiQL ${graphiql ? 'on' : 'off'}. LATCHKEY_SIGN_UP and LATCHKEY_GRAPHIQL change that.`
  );
}

const PUBLIC_URL_SENTENCE =
  'LATCHKEY_PUBLIC_URL is not set, so browsers cannot sign in from other machines. Set it to the address they use, like https://chat.example.com.';
