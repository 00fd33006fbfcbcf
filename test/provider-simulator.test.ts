import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEgress, type Egress } from '../src/providers/http/egress.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';
import { createProviders, type Providers } from '../src/providers/registry.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { ask, callOf, codeOf, question } from './fixtures/ask.ts';

let simulator: Simulator;
let egress: Egress;
let providers: Providers;

beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
  egress = createEgress({ allowedPrivateHosts: [] });
  providers = createProviders({ egress, urls: simulator.baseUrls });
});

afterAll(async () => {
  await egress?.close();
  await simulator?.close();
});

describe.each(PROVIDER_NAMES)('over real sockets, %s', (name) => {
  test('accepts a key, lists models and answers with each of them', async () => {
    const call = callOf(providers, name);
    const checked = await providers[name].checkKey(call);
    const models = await providers[name].listModels(call);
    expect(models.length).toBeGreaterThan(0);
    if (checked !== null) expect(checked).toEqual(models);
    for (const { name: model } of models) {
      const outcome = await ask(providers, name, say(model, 'Good morning.'));
      expect(outcome).toMatchObject({
        text: 'Good morning.',
        end: { finishReason: 'STOP' },
        error: null,
        usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number) },
      });
    }
  });

  test('refuses a wrong key, at the check and at the question', async () => {
    const call = callOf(providers, name, { secret: 'sk-wrong-0123456789' });
    const refusal = await providers[name].checkKey(call).catch((error: unknown) => error);
    expect(codeOf(refusal)).toBe('INVALID_KEY');
    const outcome = await ask(providers, name, question('any-model'), call);
    expect(codeOf(outcome.error)).toBe('INVALID_KEY');
  });

  test.each([
    ['cut', 'STREAM_CUT'],
    ['eof', 'STREAM_CUT'],
    ['html', 'PROVIDER_ERROR'],
    ['huge', 'OUTPUT_TOO_LARGE'],
    ['garbage', 'a proper end'],
    ['split', 'a proper end'],
  ])('with the fault "%s" has %s', async (fault, code) => {
    const [model] = await providers[name].listModels(callOf(providers, name));
    const outcome = await ask(providers, name, say(model?.name ?? '', '', fault));
    expect(outcome.error === null ? 'a proper end' : codeOf(outcome.error)).toBe(code);
  });

  test('is left at once when the answer is stopped', async () => {
    const [model] = await providers[name].listModels(callOf(providers, name));
    const stop = new AbortController();
    const reason = new Error('stopped');
    const answer = ask(providers, name, say(model?.name ?? '', '', 'held'), { signal: stop.signal });
    const request = await simulator.waitForRequest(
      ({ body, ending }) => body.includes('held') && ending === null,
    );
    stop.abort(reason);
    expect((await answer).error).toBe(reason);
    expect(await request.closed).toBe('left');
  });
});

function say(model: string, text: string, fault = '') {
  const line = `simulate: ${fault} ${text === '' ? '' : `say ${text}`}`;
  return question(model, { turns: [{ role: 'user', text: line }] });
}
