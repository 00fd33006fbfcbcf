import { vi } from 'vitest';
import type { ListedModel, ProviderCall, ProviderName } from '../../src/providers/provider.ts';
import type { TestServer } from './server.ts';

/** A secret that the simulator accepts, until a provider is turned. */
export const GOOD_SECRET = 'sk-sim-good-0123456789';

/** From now on, until mocks are restored, the provider's checks take a good secret for one with this fault of the simulator. */
export function turn({ app }: TestServer, provider: ProviderName, fault: string): void {
  const adapter = app.providers[provider];
  const { checkKey, listModels } = adapter;
  const altered = (call: ProviderCall) => ({ ...call, secret: call.secret.replace('good', fault) });
  vi.spyOn(adapter, 'checkKey').mockImplementation((call) => checkKey(altered(call)));
  vi.spyOn(adapter, 'listModels').mockImplementation((call) => listModels(altered(call)));
}

/** From now on, until mocks are restored, the provider lists these models whatever the key. */
export function listInstead({ apps }: TestServer, provider: ProviderName, models: ListedModel[]): void {
  for (const { providers } of apps) vi.spyOn(providers[provider], 'checkKey').mockResolvedValue(models);
}

/** The checks that the provider is asked for from now on, until mocks are restored. Each waits for how it ends. */
export function holdChecks({ app }: TestServer, provider: ProviderName) {
  const held: PromiseWithResolvers<ListedModel[] | null>[] = [];
  vi.spyOn(app.providers[provider], 'checkKey').mockImplementation(({ signal }) => {
    const check = Promise.withResolvers<ListedModel[] | null>();
    signal.addEventListener('abort', () => check.reject(signal.reason));
    held.push(check);
    return check.promise;
  });
  return held;
}

/** Tests are many people at one address, who check many keys. */
export function liftCheckLimits({ apps }: TestServer): void {
  for (const { checkLimits } of apps)
    Object.assign(checkLimits, { run: (_viewer: unknown, check: () => unknown) => check() });
}
