import { startSimulator } from '../simulator/simulator.ts';
import { UsageError } from './help.ts';
import { say, shutdownSignal } from './terminal.ts';

/** Runs simulated providers until the process is told to stop, and says how to have a server use them. */
export async function simulate(port = '4010'): Promise<0> {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new UsageError(`--port is not a port: "${port}".`);
  const simulator = await startSimulator({ port: Number(port) });
  const { CUSTOM, ...urls } = simulator.baseUrls;
  say(`Simulated providers answer at ${simulator.url}. Any key works. Ctrl-C stops them.`);
  say('To have Latchkey ask them in the place of the real ones, start it with:');
  say('');
  say(`LATCHKEY_PROVIDER_URLS='${JSON.stringify(urls)}'`);
  say(`LATCHKEY_ALLOWED_PRIVATE_HOSTS=${new URL(CUSTOM).host}`);
  say('');
  say(`A CUSTOM key has the base URL ${CUSTOM}.`);
  await shutdownSignal();
  await simulator.close();
  return 0;
}
