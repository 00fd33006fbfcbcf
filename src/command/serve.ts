import { openApp } from '../app.ts';
import type { Config } from '../config.ts';
import { reachDatabase } from '../db/reach-database.ts';
import { holdDatabaseServer } from '../db/server-hold.ts';
import { failureName, log } from '../log.ts';
import { startServer } from '../server/http.ts';
import { serveWaiting } from '../server/waiting.ts';
import { missingSecretSentence, SecretSourceError } from '../vault/secret-source.ts';
import { holdDataFolder, publishServerUrl } from './data-folder.ts';
import { explainFailure } from './exit-code.ts';
import { printError, say, shutdownSignal } from './terminal.ts';

/** Serves until the process is told to stop, then closes everything in order. */
export async function serve(config: Config): Promise<0> {
  requireSecrets(config);
  if (!config.isLoopback && config.publicUrl === undefined) printError(PUBLIC_URL_SENTENCE);
  const isTerminal = process.stdout.isTTY === true;
  const report = isTerminal ? say : (sentence: string) => log.info(sentence);
  if (config.isLoopback && config.isPublic) report(proxySentence(config));
  await waitForDatabase(config, isTerminal);
  const release = await holdDatabase(config);
  try {
    const app = await openApp(config, report);
    try {
      // Listened for before it is said to be ready: whoever waits for that word may stop it at once.
      const toldToStop = shutdownSignal();
      const server = await startServer(app, config);
      publishServerUrl(config, server.url);
      if (isTerminal) greet(config, server.url, app.engine);
      else log.info({ engine: app.engine, url: server.url }, 'Latchkey is ready');
      await toldToStop;
      await app.endAnswers(); // first, so that whoever follows one still hears how it ended
      await server.close();
    } finally {
      await app.close();
    }
  } finally {
    await release();
  }
  if (isTerminal) say('Latchkey has stopped.');
  else log.info('Latchkey has stopped');
  return 0;
}

/** Waits for a database server that comes up later. Whoever looks after this process is told meanwhile that it lives. */
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

/** Keeps every other server away from the database. Returns what lets go. */
async function holdDatabase(config: Config): Promise<() => Promise<void>> {
  if (config.databaseUrl === undefined) return await holdDataFolder(config);
  return await holdDatabaseServer(config.databaseUrl, () => {
    // Its first act was to end our answers; whatever we would still write is not ours any more.
    log.fatal('another server has taken the database');
    process.exit(1);
  });
}

/** Refuses before the database is dialled what would be refused afterwards. */
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
  say('');
  say('Latchkey is ready. Ctrl-C stops it.');
  say('');
  say(`  Sign up and in   ${url}`);
  if (config.graphiql) say(`  GraphiQL         ${url}/graphql`);
  say(`  GraphQL          ${url}/graphql  ${socketUrl}/graphql`);
  say(`  Database         ${engine}`);
  if (config.databaseUrl === undefined) say(`  Data folder      ${config.dataDir}`);
  say('');
}

/** Behind a proxy on this machine, HOST says nothing of who comes. */
function proxySentence({ signUp, graphiql }: Config): string {
  return (
    `LATCHKEY_PUBLIC_URL brings people from other machines, so the defaults are those of an open HOST: sign-up is ${signUp} ` +
    `and GraphiQL ${graphiql ? 'on' : 'off'}. LATCHKEY_SIGN_UP and LATCHKEY_GRAPHIQL change that.`
  );
}

const PUBLIC_URL_SENTENCE =
  'LATCHKEY_PUBLIC_URL is not set, so browsers cannot sign in from other machines. Set it to the address they use, like https://chat.example.com.';
