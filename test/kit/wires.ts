import type { ServerResponse } from 'node:http';
import { createEgress } from '../../src/providers/http/egress.ts';
import { createProviders } from '../../src/providers/registry.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import type { ProviderFault } from '../fixtures/provider-faults.ts';
import { liftCheckLimits } from './altered-provider.ts';
import { type EndedMessage, readAnswer } from './answer.ts';
import { startFaultProvider } from './fault-provider.ts';
import { startHostileProvider } from './hostile-provider.ts';
import type { AddedKey, Person } from './person.ts';
import { startTestServer } from './server.ts';

/** The protocols, each with a provider that speaks it and a model of it that does not reason. */
const WIRES = {
  chat: ['OPENAI', 'ft:gpt-4.1-nano:acme::B7x1'],
  messages: ['ANTHROPIC', 'claude-haiku-4-5-20251001'],
  'generate-content': ['GEMINI', 'gemini-2.5-flash-lite'],
  responses: ['PERPLEXITY', 'perplexity/sonar'],
  /** Chat with a server of one's own, which is asked one thing at a time. */
  custom: ['CUSTOM', 'model'],
} as const;

export type Wire = keyof typeof WIRES;

/** Writes a whole response to a question. */
export type Respond = (response: ServerResponse) => unknown;

/** A saved answer, and what its reader was shown while it was written. */
export type LastKeyUse = EndedMessage & { code: string | undefined; shown: string; shownReasoning: string };

/** A server whose providers respond as a test says, and a person who asks them. */
export interface Wires extends AsyncDisposable {
  person: Person;
  /** Asks a provider of this wire and waits for the end of the answer. */
  ask(wire: Wire, respond: Respond, threadId?: string): Promise<LastKeyUse>;
}

export async function startWires(): Promise<Wires> {
  const simulator = await startSimulator({ paceMs: 0 });
  const faults: Record<string, ProviderFault> = {};
  const provider = await startFaultProvider(simulator, faults);
  const custom = await startHostileProvider();
  const server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: custom.host }, { simulator });
  const egress = createEgress({ allowedPrivateHosts: [custom.host], connectTimeoutMs: IMPATIENT.connectMs });
  Object.assign(server.app.providers, createProviders({ egress, urls: provider.urls, deadlines: IMPATIENT }));
  liftCheckLimits(server);
  const person = await server.signUp();
  const keys = new Map<Wire, Promise<AddedKey>>();

  function keyOf(wire: Wire): Promise<AddedKey> {
    const known = keys.get(wire);
    if (known !== undefined) return known;
    const more = wire === 'custom' ? { baseUrl: custom.baseUrl } : {};
    const added = person.addKey(WIRES[wire][0], `sk-sim-good-${crypto.randomUUID()}`, more);
    keys.set(wire, added);
    return added;
  }

  return {
    person,
    async ask(wire, respond, threadId) {
      const id = crypto.randomUUID();
      faults[id] = respond;
      custom.answer = respond;
      const { apiKey, models } = await keyOf(wire);
      const model = models.find(({ name }) => name === WIRES[wire][1]);
      if (model === undefined) throw new Error(`no ${WIRES[wire][1]}`);
      const { answers } = await person.ask(`fault: ${id}`, [model], threadId);
      const client = person.socket();
      const { end, text, reasoning } = await readAnswer(client, answers[0]?.id ?? '');
      await client.dispose();
      if (end === undefined) throw new Error('no end');
      const code = end.error?.code;
      if (code !== undefined && SPOILS_KEY.has(code) && keys.delete(wire))
        await person.run('remove-api-key', { input: { id: apiKey.id } });
      return { ...end.answer, code, shown: text, shownReasoning: reasoning };
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await provider[Symbol.asyncDispose]();
      await custom[Symbol.asyncDispose]();
      await simulator.close();
    },
  };
}

/** The keys of such an answer are asked no more. */
const SPOILS_KEY = new Set([
  'INVALID_KEY',
  'KEY_EXPIRED',
  'KEY_LACKS_PERMISSION',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
]);

/** Short after the text, yet longer than a busy machine takes to say a word. */
const IMPATIENT = {
  connectMs: 60_000,
  silenceBeforeTextMs: 30_000,
  silenceAfterTextMs: 5_000,
  totalMs: 60_000,
};
