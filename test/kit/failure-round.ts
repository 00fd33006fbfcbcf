import { TRANSPORTS } from './answer.ts';
import { eventually } from './eventually.ts';
import type { FleetProcess, ProcessFleet } from './process-fleet.ts';
import { say } from './say.ts';
import { readThread, type Watch, watchAnswer, watchThread } from './watch.ts';
import type { StoredAnswer, WriteRecords } from './write-records.ts';

/** Answers that one server writes while people at every other one watch them, until something goes wrong. */
export interface FailureRound {
  writer: FleetProcess;
  others: FleetProcess[];
  watches: Watch[];
  /** Notes the time from which the end is waited for. */
  breaks(): void;
  /** Waits until every watch holds more text than now. */
  untilMoreText(withinMs?: number): Promise<void>;
  /** Lets the provider end all answers. */
  finish(): void;
  /** Sends so many messages more through the writer, whatever becomes of them. */
  sendBriefly(count: number): Promise<void>;
  /** Waits until no watch is open. */
  untilEnded(withinMs: number): Promise<void>;
  /** Waits until the provider has lost its connections. */
  untilProviderLeft(withinMs: number): Promise<void>;
  /** Breaks off the sockets of one server's watchers, who follow again. */
  drop(): void;
  /** How the answers have ended, each status once, and what is not as it was promised; empty if all is. */
  look(records: WriteRecords): Promise<{ statuses: string[]; problems: string[] }>;
}

/** What the rounds of a scenario showed. */
export interface Figures {
  rounds: number;
  answers: number;
  watches: number;
  resumed: number;
  statuses: Map<string, number>;
  /** From the failure until the last watch had the end, for interrupted answers. */
  takeoverMs: number[];
  /** Rounds that broke while a watch held text. */
  withText: number;
  /** The age of the oldest text that was seen and not kept. */
  lostMs: number[];
}

export function newFigures(): Figures {
  return {
    ...{ rounds: 0, answers: 0, watches: 0, resumed: 0, statuses: new Map() },
    ...{ takeoverMs: [], withText: 0, lostMs: [] },
  };
}

/** Prints what a scenario showed. */
export function sayFigures(title: string, figures: Figures): void {
  const statuses = [...figures.statuses].map(([status, count]) => `${count} ${status}`).join(', ');
  say(
    `${title}: ${figures.rounds} rounds, ${figures.answers} answers (${statuses}), ${figures.watches} watches, ` +
      `${figures.resumed} resumed; ${figures.withText} rounds with text; takeover ${spread(figures.takeoverMs)} ms; ` +
      `lost text at most ${Math.round(Math.max(0, ...figures.lostMs))} ms old`,
  );
}

function spread(given: readonly number[]): string {
  const sorted = given.toSorted((one, other) => one - other).map(Math.round);
  if (sorted.length === 0) return 'none';
  return `${sorted[0]} / ${sorted[Math.floor(sorted.length / 2)]} / ${sorted.at(-1)}`;
}

/** Asks two models twice through one server and watches the four answers from the others, over both transports. */
export async function startRound(
  fleet: ProcessFleet,
  writer: FleetProcess,
  figures: Figures,
): Promise<FailureRound & AsyncDisposable> {
  const others = fleet.servers.filter((server) => server !== writer);
  const ada = await fleet.personAt(writer);
  const stopping = new AbortController();
  const asked = await Promise.all(
    [1, 2].map(async () => {
      const question = `Question ${crypto.randomUUID()}`;
      const sent = await ada.ask(question, fleet.models);
      if (sent.__typename !== 'SendMessagePayload') throw new Error(JSON.stringify(sent));
      const answers = sent.answers.map(({ id, modelName }) => ({ id, question, model: modelName }));
      return { threadId: sent.thread.id, answers };
    }),
  );
  const answers = asked.flatMap((each) => each.answers);
  const clients = await Promise.all(
    others.map(async (server) => {
      const person = await fleet.personAt(server);
      return {
        person,
        socket: TRANSPORTS.WebSocket(person),
        events: TRANSPORTS['server-sent events'](person),
      };
    }),
  );
  const following = clients.flatMap(({ person, socket, events }, index) =>
    [socket, events].flatMap((client) => {
      const title = `other server ${index + 1}, ${client === socket ? 'WebSocket' : 'server-sent events'}`;
      const common = { title, stopping: stopping.signal };
      return [
        ...answers.map(({ id }) => watchAnswer(client, { answerId: id, ...common })),
        ...asked.map(({ threadId, answers: ofThread }) =>
          watchThread(client, person, { threadId, answerIds: ofThread.map(({ id }) => id), ...common }),
        ),
      ];
    }),
  );
  const watches = following.flatMap((each) => each.watches);
  const allEnded = Promise.all(following.map(({ ended }) => ended));
  let brokeAtMs = Number.POSITIVE_INFINITY;
  const writtenTo = ({ question, model }: { question: string; model: string }) =>
    fleet.provider.asked(question, model);

  return {
    ...{ writer, others, watches },
    breaks() {
      brokeAtMs = performance.now();
    },
    async untilMoreText(withinMs) {
      const before = watches.map(({ held }) => held.text.length);
      const isLonger = () =>
        watches.every(({ held, end }, index) => end !== undefined || held.text.length > (before[index] ?? 0));
      await eventually('more text at every watch', isLonger, withinMs);
      if (watches.some(({ end }) => end !== undefined)) throw new Error('an answer has ended');
    },
    finish() {
      for (const { question, model } of answers) fleet.provider.finish(question, model);
    },
    async sendBriefly(count) {
      const sends = Array.from({ length: count }, async (_each, index) => {
        const { threadId } = asked[index % asked.length] ?? {};
        await ada.ask(`Briefly, ${crypto.randomUUID()}`, fleet.models.slice(0, 1), threadId);
      });
      await Promise.allSettled(sends);
    },
    async untilEnded(withinMs) {
      let timer: NodeJS.Timeout | undefined;
      const tooLate = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), withinMs);
      });
      const outcome = await Promise.race([allEnded, tooLate]);
      clearTimeout(timer);
      if (outcome !== 'late') return;
      const open = watches.filter(({ end }) => end === undefined);
      const said = open.map(
        ({ title, answerId, resumed, failure }) =>
          `${title} of ${answerId}, resumed ${resumed} times, last failure: ${failure}`,
      );
      throw new Error(`left open after ${Math.round(withinMs)} ms: ${said.join('; ')}`);
    },
    async untilProviderLeft(withinMs) {
      const hasLeft = () => answers.every((answer) => writtenTo(answer)?.isClosed !== false);
      await eventually('the end of the provider calls', hasLeft, withinMs);
    },
    drop() {
      clients[Math.floor(Math.random() * clients.length)]?.socket.drop();
    },
    async look(records) {
      const ids = answers.map(({ id }) => id);
      const rows = new Map((await records.rowsOf(ids)).map((row) => [row.id, row]));
      const threads = await Promise.all(
        clients.flatMap(({ person }) => asked.map(({ threadId }) => readThread(person, threadId))),
      );
      const queried = threads.flat();
      const problems = (await records.late()).map((what) => `written late: ${what}`);
      for (const count of await records.endsOf(ids)) if (count !== 1) problems.push(`ended ${count} times`);
      for (const answer of answers) {
        const row = rows.get(answer.id);
        const written = writtenTo(answer)?.text ?? '';
        const ofAnswer = watches.filter(({ answerId }) => answerId === answer.id);
        if (row === undefined) {
          problems.push(`${answer.id} has no row`);
          continue;
        }
        note(row, ofAnswer);
        if (row.chunks > 0) problems.push(`${answer.id} has ended and has ${row.chunks} chunks`);
        if (!written.startsWith(row.text)) problems.push(`${answer.id} holds what was not written`);
        if (row.status === 'COMPLETE' && row.text !== written) problems.push(`${answer.id} is not whole`);
        for (const message of queried.filter(({ id }) => id === answer.id))
          if (!isSame(message, row)) problems.push(`a query gives ${answer.id} otherwise than it is stored`);
        for (const { title, end, held, gaps } of ofAnswer) {
          const of = `${title} of ${answer.id}`;
          if (end === undefined || !isSame(end, row)) problems.push(`${of}: ended otherwise than stored`);
          if (!written.startsWith(held.text)) problems.push(`${of}: holds what was not written`);
          if (gaps > 0) problems.push(`${of}: ${gaps} deltas with a gap before them`);
        }
      }
      figures.rounds += 1;
      figures.answers += answers.length;
      figures.watches += watches.length;
      figures.resumed += watches.reduce((sum, { resumed }) => sum + resumed, 0);
      const statuses = [...new Set(rows.values().map(({ status }) => status))];
      return { statuses, problems };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      for (const { question, model } of answers) fleet.provider.finish(question, model);
      for (const { socket, events } of clients) {
        await socket.dispose();
        await events.dispose();
      }
    },
  };

  function note(row: StoredAnswer, ofAnswer: readonly Watch[]): void {
    figures.statuses.set(row.status, (figures.statuses.get(row.status) ?? 0) + 1);
    if (row.status !== 'INTERRUPTED') return;
    figures.takeoverMs.push(Math.max(...ofAnswer.map(({ endedAtMs }) => endedAtMs)) - brokeAtMs);
    for (const watch of ofAnswer)
      figures.lostMs.push(Math.max(0, brokeAtMs - watch.timeBeyond(row.text.length)));
  }
}

function isSame(
  one: Pick<StoredAnswer, 'status' | 'text' | 'reasoning'>,
  other: Pick<StoredAnswer, 'status' | 'text' | 'reasoning'>,
): boolean {
  return one.status === other.status && one.text === other.text && one.reasoning === other.reasoning;
}
