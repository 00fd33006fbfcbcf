import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ANSWER_ERRORS, type AnswerErrorCode } from '../src/answer-error.ts';
import { createEgress } from '../src/providers/http/egress.ts';
import type { ProviderName } from '../src/providers/provider.ts';
import { createProviders } from '../src/providers/registry.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { CHAT_MODEL } from './fixtures/ask.ts';
import { DOCUMENT_FAULTS, SILENT_FAULTS, STREAM_FAULTS } from './fixtures/provider-faults.ts';
import { STREAMS } from './fixtures/streams.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { type Follower, readAnswer } from './kit/answer.ts';
import { type FaultProvider, startFaultProvider } from './kit/fault-provider.ts';
import { captureErrors } from './kit/log.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { say } from './kit/say.ts';
import { SERVERS, startTestServer, type TestServer } from './kit/server.ts';

/**
 * Whatever a provider does, the answer ends, its text so far is kept, and its code says what happened and who can fix it:
 * each fault for each of the four wires, in one table.
 */

/** One provider for each wire. */
const FAMILIES = ['OPENAI', 'ANTHROPIC', 'GEMINI', 'PERPLEXITY'] as const satisfies ProviderName[];
type Family = (typeof FAMILIES)[number];

let simulator: Simulator;
let provider: FaultProvider;
/** Asks the simulator itself, or through the faulty proxy. */
let direct: TestServer;
let faulty: TestServer;
/** The same with little patience. */
let impatient: TestServer;
beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
  provider = await startFaultProvider(simulator, { ...STREAM_FAULTS, ...DOCUMENT_FAULTS, ...SILENT_FAULTS });
  const env = { LATCHKEY_PROVIDER_URLS: JSON.stringify(provider.urls) };
  direct = await startTestServer({}, { simulator });
  faulty = await startTestServer(env, { simulator });
  impatient = await startTestServer(env, { simulator });
  const egress = createEgress({ allowedPrivateHosts: [] });
  Object.assign(
    impatient.app.providers,
    createProviders({ egress, urls: provider.urls, deadlines: IMPATIENT }),
  );
  liftCheckLimits(faulty); // keys are checked again after each fault of theirs
});
afterAll(async () => {
  vi.restoreAllMocks();
  for (const server of [direct, faulty, impatient]) await server.close();
  await provider[Symbol.asyncDispose]();
  await simulator.close();
});

// What it puts in the place of a part of the server is put into one server only.
test.runIf(SERVERS === 1)(
  'every fault of a provider ends the answer with a code that says who can fix it, and keeps its text',
  async () => {
    const lines = captureErrors();
    const askAll = async (
      server: TestServer,
      families: readonly Family[],
      kind: Kind,
      faults: readonly string[],
    ) => (await Promise.all(families.map((family) => outcomesOf(server, family, kind, faults)))).flat();
    const outcomes = [
      ...(await askAll(direct, FAMILIES, 'simulate', MODEL_FAULTS)),
      ...(await askAll(faulty, FAMILIES, 'fault', Object.keys(STREAM_FAULTS))),
      // A response that is no stream is read in the same way on every wire.
      ...(await askAll(faulty, ['OPENAI', 'GEMINI'], 'fault', Object.keys(DOCUMENT_FAULTS))),
      ...(await askAll(faulty, FAMILIES, 'key', KEY_FAULTS)),
      ...(await askAll(impatient, FAMILIES, 'fault', Object.keys(SILENT_FAULTS))),
    ];
    const table = tableOf(outcomes);
    say(`${table.join('\n')}`);
    expect(table).toMatchInlineSnapshot(`
    [
      "simulator: cut | FAILED | STREAM_CUT | PROVIDER | text kept",
      "simulator: eof | FAILED | STREAM_CUT | PROVIDER | text kept",
      "simulator: error (OPENAI, PERPLEXITY) | FAILED | PROVIDER_ERROR | PROVIDER | text kept",
      "simulator: error (ANTHROPIC, GEMINI) | FAILED | PROVIDER_OVERLOADED | PROVIDER | text kept",
      "simulator: error-first (OPENAI, PERPLEXITY) | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "simulator: error-first (ANTHROPIC, GEMINI) | FAILED | PROVIDER_OVERLOADED | PROVIDER | no text",
      "simulator: garbage | COMPLETE | | | text kept",
      "simulator: split | COMPLETE | | | text kept",
      "simulator: crlf | COMPLETE | | | text kept",
      "simulator: burst | COMPLETE | | | text kept",
      "simulator: huge | FAILED | OUTPUT_TOO_LARGE | YOU | text kept",
      "simulator: empty | FAILED | EMPTY_ANSWER | YOU | no text",
      "simulator: length | COMPLETE | | | text kept",
      "simulator: filter | COMPLETE | | | text kept",
      "simulator: blocked | FAILED | CONTENT_FILTERED | YOU | no text",
      "simulator: surrogates | COMPLETE | | | text kept",
      "simulator: nul | COMPLETE | | | text kept",
      "simulator: html | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "simulator: limited | COMPLETE | | | text kept",
      "simulator: limited-always | FAILED | RATE_LIMITED, retryAt | YOU | no text",
      "simulator: overloaded | FAILED | PROVIDER_OVERLOADED | PROVIDER | no text",
      "simulator: unknown | FAILED | MODEL_NOT_FOUND | YOU | no text",
      "simulator: disabled | FAILED | MODEL_UNAVAILABLE | YOU | no text",
      "simulator: long | FAILED | CONTEXT_TOO_LONG | YOU | no text",
      "reset before the headers | FAILED | NETWORK | OPERATOR | no text",
      "closed before the headers | FAILED | NETWORK | OPERATOR | no text",
      "reset after the headers | FAILED | STREAM_CUT | PROVIDER | no text",
      "ended after the headers | FAILED | STREAM_CUT | PROVIDER | no text",
      "reset before the text | FAILED | STREAM_CUT | PROVIDER | no text",
      "something else than HTTP | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "headers of 100 KB | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "an event of an error | FAILED | PROVIDER_OVERLOADED | PROVIDER | no text",
      "reset after the text | FAILED | STREAM_CUT | PROVIDER | text kept",
      "closed after the text | FAILED | STREAM_CUT | PROVIDER | text kept",
      "ended after the text | FAILED | STREAM_CUT | PROVIDER | text kept",
      "ended within an event | FAILED | STREAM_CUT | PROVIDER | text kept",
      "shorter than it said | FAILED | STREAM_CUT | PROVIDER | text kept",
      "an error after the text | FAILED | PROVIDER_OVERLOADED | PROVIDER | text kept",
      "a line without end after the text | FAILED | OUTPUT_TOO_LARGE | YOU | text kept",
      "four events that are no JSON after the text | FAILED | PROVIDER_ERROR | PROVIDER | text kept",
      "three events that are no JSON | COMPLETE | | | text kept",
      "bytes that are no UTF-8, between events | COMPLETE | | | text kept",
      "a byte order mark | COMPLETE | | | text kept",
      "a content type of bytes | COMPLETE | | | text kept",
      "no content type | COMPLETE | | | text kept",
      "a reset after the end | COMPLETE | | | text kept",
      "401 and nothing | FAILED | INVALID_KEY | KEY_MANAGER | no text",
      "200 and an error as JSON | FAILED | RATE_LIMITED | YOU | no text",
      "200 and an error in a list | FAILED | RATE_LIMITED | YOU | no text",
      "200 and other JSON | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "200 and JSON that is none | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "200 and a web page | FAILED | PROVIDER_ERROR | PROVIDER | no text",
      "200 and plain text | FAILED | STREAM_CUT | PROVIDER | no text",
      "204 and nothing | FAILED | STREAM_CUT | PROVIDER | no text",
      "400 and nothing | FAILED | BAD_REQUEST | YOU | no text",
      "403 and nothing | FAILED | KEY_LACKS_PERMISSION | KEY_MANAGER | no text",
      "404 and a web page | FAILED | BAD_REQUEST | YOU | no text",
      "405 and nothing | FAILED | BAD_REQUEST | YOU | no text",
      "413 and a web page | FAILED | BAD_REQUEST | YOU | no text",
      "429 and nothing | FAILED | RATE_LIMITED, retryAt | YOU | no text",
      "429 to wait 30 seconds | FAILED | RATE_LIMITED, retryAt | YOU | no text",
      "429 to wait until a day long gone | FAILED | RATE_LIMITED, retryAt | YOU | no text",
      "500 and a web page | FAILED | PROVIDER_ERROR, retryAt | PROVIDER | no text",
      "502 and nothing | FAILED | PROVIDER_OVERLOADED, retryAt | PROVIDER | no text",
      "503 to wait an hour | FAILED | PROVIDER_OVERLOADED, retryAt | PROVIDER | no text",
      "504 and nothing | FAILED | TIMEOUT | PROVIDER | no text",
      "529 and nothing | FAILED | PROVIDER_OVERLOADED, retryAt | PROVIDER | no text",
      "599 and nothing | FAILED | PROVIDER_ERROR, retryAt | PROVIDER | no text",
      "500 and a body without end | FAILED | PROVIDER_ERROR, retryAt | PROVIDER | no text",
      "301 to somewhere else | FAILED | BAD_REQUEST | YOU | no text",
      "302 to somewhere else | FAILED | BAD_REQUEST | YOU | no text",
      "303 to somewhere else | FAILED | BAD_REQUEST | YOU | no text",
      "307 to somewhere else | FAILED | BAD_REQUEST | YOU | no text",
      "308 to somewhere else | FAILED | BAD_REQUEST | YOU | no text",
      "key: wrong | FAILED | INVALID_KEY | KEY_MANAGER | no text",
      "key: expired (OPENAI, ANTHROPIC, PERPLEXITY) | FAILED | INVALID_KEY | KEY_MANAGER | no text",
      "key: expired (GEMINI) | FAILED | KEY_EXPIRED | KEY_MANAGER | no text",
      "key: echo | FAILED | INVALID_KEY | KEY_MANAGER | no text",
      "key: forbidden | FAILED | KEY_LACKS_PERMISSION | KEY_MANAGER | no text",
      "key: quota | FAILED | QUOTA_EXCEEDED | KEY_MANAGER | no text",
      "key: limited | FAILED | RATE_LIMITED, retryAt | YOU | no text",
      "key: down | FAILED | PROVIDER_OVERLOADED | PROVIDER | no text",
      "silent within a refusal | FAILED | INVALID_KEY | KEY_MANAGER | no text",
      "silent before the headers | FAILED | TIMEOUT | PROVIDER | no text",
      "silent after the headers | FAILED | TIMEOUT | PROVIDER | no text",
      "silent after the text | FAILED | TIMEOUT | PROVIDER | text kept",
      "silent after its end | COMPLETE | | | text kept",
    ]
  `);
    expect(provider.strayPaths).toEqual([]);
    expect(lines).toEqual([]);
  },
  240_000,
);

/** Where the fault is made: by the simulator, by the proxy, or by the simulator for this key. */
type Kind = 'simulate' | 'fault' | 'key';

interface Outcome {
  fault: string;
  family: Family;
  /** Status, code, who can fix it, and what is left of the text. */
  ending: string;
}

/** Asks once for every fault and returns how each answer ended. */
async function outcomesOf(
  server: TestServer,
  family: Family,
  kind: Kind,
  faults: readonly string[],
): Promise<Outcome[]> {
  const apart = faults.filter((fault) => kind === 'key' || SPOILS_KEY.includes(fault));
  const together = faults.filter((fault) => !apart.includes(fault));
  const groups = [apart];
  for (let first = 0; first < together.length; first += AT_A_TIME)
    groups.push(together.slice(first, first + AT_A_TIME));
  const outcomes = await Promise.all(
    groups.map(async (group) => {
      const person = await server.signUp();
      const key = await person.addKey(family);
      const client = person.socket();
      const ask = async (fault: string): Promise<Outcome> => {
        const ending = await outcomeOf(person, client, key, family, `${kind}: ${fault}`);
        return { fault: LABELS[kind] + fault, family, ending };
      };
      const asked: Outcome[] = [];
      if (group === apart)
        for (const fault of group) {
          asked.push(await ask(fault));
          await person.run('check-api-key', { input: { id: key.apiKey.id } }); // until then it pays for nothing
        }
      else asked.push(...(await Promise.all(group.map(ask))));
      await client.dispose();
      return asked;
    }),
  );
  return outcomes.flat();
}

async function outcomeOf(
  person: Person,
  client: Follower,
  { models }: AddedKey,
  family: Family,
  question: string,
): Promise<string> {
  const model = models.find(({ name }) => name === MODELS[family]);
  const { answers } = await person.ask(question, model === undefined ? [] : [model]);
  const { end, text: read } = await readAnswer(client, answers[0]?.id ?? '');
  if (end === undefined) throw new Error(`no end to ${question}`);
  const { answer, error } = end;
  const { text } = answer;
  expect(['', text]).toContain(read); // one that has ended already gives its end alone
  if (question.startsWith('fault')) expect(['', wholeTextOf(family)]).toContain(text);
  if (error === undefined) return `${answer.status} | | | ${keptOf(text)}`;
  const { sentence, fixableBy } = ANSWER_ERRORS[error.code as AnswerErrorCode];
  expect([error.message, error.fixableBy]).toEqual([sentence(TITLES[family]), fixableBy]);
  const again = error.retryAt === null ? '' : ', retryAt';
  return `${answer.status} | ${error.code}${again} | ${error.fixableBy} | ${keptOf(text)}`;
}

/** A line for each fault and each ending, with the providers where they differ. */
function tableOf(outcomes: readonly Outcome[]): string[] {
  const faults = Map.groupBy(outcomes, ({ fault }) => fault);
  return [...faults].flatMap(([fault, ofFault]) => {
    const ways = Map.groupBy(ofFault, ({ ending }) => ending);
    return [...ways].map(([ending, same]) => {
      const who = ways.size === 1 ? '' : ` (${same.map(({ family }) => family).join(', ')})`;
      return `${fault}${who} | ${ending}`;
    });
  });
}

function keptOf(text: string): string {
  return text === '' ? 'no text' : 'text kept';
}

function wholeTextOf(family: Family): string {
  return STREAMS.find(({ provider }) => provider === family)?.text ?? '';
}

const LABELS: Record<Kind, string> = { simulate: 'simulator: ', key: 'key: ', fault: '' };

/** Of each, one that does not reason, so that its first words are text. */
const MODELS: Record<Family, string> = {
  OPENAI: CHAT_MODEL,
  ANTHROPIC: 'claude-haiku-4-5-20251001',
  GEMINI: 'gemini-2.5-flash-lite',
  PERPLEXITY: 'perplexity/sonar',
};
const TITLES: Record<Family, string> = {
  OPENAI: 'OpenAI',
  ANTHROPIC: 'Anthropic',
  GEMINI: 'Google Gemini',
  PERPLEXITY: 'Perplexity',
};
/** Those of the simulator that a model can have and that are not plain answers. */
const MODEL_FAULTS = [
  ...['cut', 'eof', 'error', 'error-first', 'garbage', 'split', 'crlf', 'burst', 'huge', 'empty', 'length'],
  ...['filter', 'blocked', 'surrogates', 'nul', 'html', 'limited', 'limited-always', 'overloaded', 'unknown'],
  ...['disabled', 'long'],
];
const KEY_FAULTS = ['wrong', 'expired', 'echo', 'forbidden', 'quota', 'limited', 'down'];
const SPOILS_KEY = ['401 and nothing', 'silent within a refusal'];
const AT_A_TIME = 12; // a person may have sixteen answers written at once
/** Short, yet longer than a busy machine takes to say a word. */
const IMPATIENT = {
  connectMs: 5_000,
  silenceBeforeTextMs: 1_000,
  silenceAfterTextMs: 1_000,
  totalMs: 30_000,
};
