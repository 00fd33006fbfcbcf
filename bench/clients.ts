import { openClient, type Target } from './follow.ts';
import { type Prompt, type Run, tokensOf } from './run.ts';

/**
 * The process of all clients, one per stream. Told to prepare, it connects them; told to start, it lets them all ask at once
 * and reports when every one has its first token, its whole text, and its end.
 */
process.on('message', (message: { type: 'prepare'; target: Target; run: Run } | { type: 'start' }) => {
  if (message.type === 'start') return start();
  prepare(message.target, message.run).catch((error: unknown) => fail(String(error)));
});

interface Client {
  ask: () => void;
  startedAtMs: number;
  firstMs: number | undefined;
  text: string;
  expected: string;
  framesAfterFirst: number;
}

let clients: Client[] = [];
let awaited = { first: 0, text: 0, end: 0 };

async function prepare(target: Target, run: Run): Promise<void> {
  awaited = { first: run.streams, text: run.streams, end: run.streams };
  clients = await Promise.all(
    Array.from({ length: run.streams }, (_, stream) => connect(target, { ...run, stream })),
  );
  process.send?.({ type: 'prepared' });
}

function start(): void {
  for (const client of clients) {
    client.startedAtMs = performance.now();
    client.ask();
  }
}

async function connect(target: Target, prompt: Prompt): Promise<Client> {
  const client: Client = {
    ask: () => {},
    startedAtMs: 0,
    firstMs: undefined,
    text: '',
    expected: tokensOf(prompt).join(''),
    framesAfterFirst: 0,
  };
  client.ask = await openClient(target, prompt, {
    onText(offset, text) {
      if (offset !== client.text.length) fail(`stream ${prompt.stream} has a gap or an overlap at ${offset}`);
      client.text += text;
      if (client.firstMs === undefined) {
        client.firstMs = performance.now() - client.startedAtMs;
        report('first');
      } else client.framesAfterFirst += 1;
      if (client.text.length === client.expected.length) report('text');
    },
    onEnd(storedText = client.text) {
      if (client.text !== client.expected) fail(`stream ${prompt.stream} is not what the provider sent`);
      if (storedText !== client.expected) fail(`stream ${prompt.stream} was stored with another text`);
      report('end');
    },
    onFailure: (reason) => fail(`stream ${prompt.stream}: ${reason}`),
  });
  return client;
}

function report(step: 'first' | 'text' | 'end'): void {
  awaited[step] -= 1;
  if (awaited[step] !== 0) return;
  process.send?.({
    type: step,
    firstTokenMs: clients.map(({ firstMs }) => firstMs),
    frames: clients.reduce((sum, { framesAfterFirst }) => sum + framesAfterFirst, 0),
  });
}

/** A result counts only if every client has every byte, so the first that has not ends the benchmark. */
function fail(reason: string): void {
  process.send?.({ type: 'failed', reason });
}
