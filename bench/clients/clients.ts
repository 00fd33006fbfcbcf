import { answerCalls } from '../process/calls.ts';
import type { Run } from '../run.ts';
import { type HoldInput, IdleFollowers } from './idle-followers.ts';
import { fillWorkspace, Lanes, type LanesInput, Repetition } from './requests.ts';
import { RoamingClients } from './roaming-clients.ts';
import { Streams, type StreamsInput } from './streams.ts';
import type { LatchkeyTarget } from './target.ts';

/** The process of all clients. What it does at the moment is up to the scenario. */
let streams: Streams | undefined;
let lanes: Lanes | undefined;
let roaming: RoamingClients | undefined;
const idle = new IdleFollowers();
const light = new Repetition();
const lists = new Repetition();

const calls = {
  async open(input: StreamsInput) {
    streams = await Streams.open(input);
  },
  /** Closes everything that a failure has left open. */
  close(_: object) {
    streams?.close();
    idle.letGo();
    roaming?.close();
  },
  start: ({ atOnce }: { atOnce: number }) => current().start(atOnce),
  reach: ({ tokens }: { tokens: number }) => current().reach(tokens),
  end: (_: object) => current().end(),
  delaysMs: ({ sentAtMs }: { sentAtMs: number[][] }) => current().delaysMs(sentAtMs),
  stall: (_: object) => current().stall(),
  unstall: ({ tokens }: { tokens: number }) => current().unstall(tokens),
  drop: ({ beforeTokens }: { beforeTokens: number }) => current().drop(beforeTokens),
  resume: ({ tokens }: { tokens: number }) => current().resume(tokens),
  fillWorkspace: ({
    target,
    threads,
    messages,
  }: {
    target: LatchkeyTarget;
    threads: number;
    messages: number;
  }) => fillWorkspace(target, threads, messages),
  async openLanes(input: LanesInput) {
    lanes = await Lanes.open(input);
  },
  runLanes: ({ count }: { count: number }) => currentLanes().run(count),
  closeLanes: (_: object) => currentLanes().close(),
  beginLight: ({ target, everyMs }: { target: LatchkeyTarget; everyMs: number }) =>
    light.begin({ target, query: { name: 'viewer' }, over: 'WebSocket', lanes: 1 }, everyMs),
  endLight: (_: object) => light.end(),
  beginLists: ({ target, people, everyMs }: { target: LatchkeyTarget; people: number; everyMs: number }) =>
    lists.begin({ target, query: { name: 'threads' }, over: 'WebSocket', lanes: people }, everyMs),
  endLists: (_: object) => lists.end(),
  hold: ({ target, subscription, count }: HoldInput) => idle.hold(target, subscription, count),
  letGo: (_: object) => idle.letGo(),
  async openRoaming({ target, count }: { target: LatchkeyTarget; count: number }) {
    roaming = await RoamingClients.open(target, count);
  },
  roam: ({ run, urls }: { run: Run; urls: string[] }) => currentRoaming().roam(run, urls),
  roamed: (_: object) => currentRoaming().roamed(),
  beginCount: (_: object) => currentRoaming().beginCount(),
  endRoam: (_: object) => currentRoaming().end(),
  closeRoaming: (_: object) => currentRoaming().close(),
};
export type ClientCalls = typeof calls;
answerCalls(calls);

function currentLanes(): Lanes {
  if (lanes === undefined) throw new Error('no lanes are open');
  return lanes;
}

function currentRoaming(): RoamingClients {
  if (roaming === undefined) throw new Error('no clients roam');
  return roaming;
}

function current(): Streams {
  if (streams === undefined) throw new Error('no clients are connected');
  return streams;
}
