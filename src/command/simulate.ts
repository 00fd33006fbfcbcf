import { startSimulator } from '../simulator/simulator.ts';
import { UsageError } from './help.ts';
import { printLine, shutdownSignal } from './terminal.ts';

/** Runs simulated providers until a signal stops the process, and prints how to make a server use them. */
export async function simulate(port = '4010'): Promise<0> {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new UsageError(`--port is not a port: "${port}".`);
  const simulator = await startSimulator({ port: Number(port) });
  const { CUSTOM, ...urls } = simulator.baseUrls;
  printLine(`Simulated providers answer at ${simulator.url}. Any key works. Ctrl-C stops them.`);
  printLine('To have Latchkey ask them in the place of the real ones, start it with:');
  printLine('');
  printLine(`LATCHKEY_PROVIDER_URLS='${JSON.stringify(urls)}'`);
  printLine(`LATCHKEY_ALLOWED_PRIVATE_HOSTS=${new URL(CUSTOM).host}`);
  printLine('');
  printLine(`A CUSTOM key has the base URL ${CUSTOM}.`);
  await shutdownSignal();
  await simulator.close();
  return 0;
}
