import { openApp } from './app.ts';
import { readConfig } from './config.ts';
import { failureName, log } from './log.ts';
import { startServer } from './server/http.ts';

const [command = 'serve'] = process.argv.slice(2);

if (command === 'serve') await serve();

async function serve() {
  const config = readConfig(process.env);
  const app = await openApp(config, (sentence) => log.info(sentence));
  const server = await startServer(app, config);
  log.info({ engine: app.engine, url: server.url }, 'Latchkey is ready');
  process.once('SIGTERM', shutDown);
  process.once('SIGINT', shutDown);
  async function shutDown() {
    await server.close();
    await app.close();
    log.info('Latchkey has stopped');
  }
}
void failureName;
