import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openApp } from '../app.ts';
import { shutdownSignal } from '../command/terminal.ts';
import { readConfig } from '../config.ts';
import { log } from '../log.ts';
import { startServer } from '../server/http.ts';
import { startSimulator } from '../simulator/simulator.ts';
import { signUp } from './client.ts';
import { performMainJob } from './main-job.ts';
import { faint, line, pair, strong } from './paper.ts';

/**
 * Demonstrates Latchkey: a server with an embedded database and simulated providers, used over the network as by any client.
 * Then it keeps running for the person to try, and deletes everything when it ends.
 */
export async function runDemo(options: { port: string; isOnce: boolean }): Promise<0> {
  line();
  line(strong('Latchkey'));
  line(faint('Simulated providers, an embedded database: nothing leaves this machine.'));
  await using closing = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'));
  closing.defer(() => rm(folder, { recursive: true, force: true }));
  const simulator = await startSimulator({ paceMs: process.stdout.isTTY ? READING_PACE_MS : 1 });
  closing.defer(() => simulator.close());
  const { CUSTOM, ...urls } = simulator.baseUrls;
  const config = readConfig({
    PORT: options.port,
    LATCHKEY_DATA_DIR: folder,
    LATCHKEY_PROVIDER_URLS: JSON.stringify(urls),
    LATCHKEY_ALLOWED_PRIVATE_HOSTS: new URL(CUSTOM).host,
    LATCHKEY_LOG_LEVEL: 'warn', // successes are printed by the demo itself
  });
  log.level = config.logLevel;
  const app = await openApp(config, () => {});
  closing.defer(() => app.close());
  const server = await startServer(app, config);
  closing.defer(() => server.close());

  const client = await signUp(server.url, ADA);
  closing.defer(() => client.close());
  await performMainJob(client, ADA.name);
  line();
  if (options.isOnce) return 0;

  line(strong('Your turn'));
  line();
  pair('Page', server.url);
  pair('GraphiQL', `${server.url}/graphql`);
  pair('WebSocket', `${server.url.replace('http', 'ws')}/graphql`);
  pair('Sign in as', ADA.email);
  pair('Password', ADA.password);
  pair('Keys', 'Any text works as a key of any provider: they are simulated.');
  line();
  line(faint('It stays up until Ctrl-C, and then leaves nothing behind.'));
  line();
  await shutdownSignal();
  return 0;
}

const READING_PACE_MS = 28; // slow enough to watch the words arrive

const ADA = { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' };
