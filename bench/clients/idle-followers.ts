import { inGroups } from '../in-groups.ts';
import { MODEL, runOf } from '../run.ts';
import { type Asked, type Asker, openAsker } from './asker.ts';
import { ANSWER_EVENTS, THREAD_EVENTS, WORKSPACE_EVENTS } from './documents.ts';
import { GraphqlSocket } from './graphql-socket.ts';
import { RawSocket } from './raw-socket.ts';
import { type LatchkeyTarget, personOf, type Target } from './target.ts';

/** What followers wait for: more of an answer whose model is silent, a silent thread, or a workspace. */
export type IdleSubscription = 'answerEvents' | 'threadEvents' | 'workspaceEvents';

export interface HoldInput {
  target: Target;
  subscription: IdleSubscription;
  count: number;
}

/** Followers, each on a socket of its own, to whom nothing happens. */
export class IdleFollowers {
  #asker: Asker | undefined;
  #sockets: { close(): void }[] = [];
  #lost = 0;

  /** Resolves when each of them has what there is already. */
  async hold(target: Target, subscription: IdleSubscription, count: number): Promise<void> {
    const isSilent = target.kind === 'raw-ws' || subscription === 'answerEvents';
    const prompt = { ...runOf({ isSentAtOnce: !isSilent }), stream: 0 };
    this.#asker = await openAsker(target, {
      prompt,
      models: [MODEL],
      follow: 'nothing',
      readersByModel: new Map(),
    });
    const asked = await this.#asker.ask();
    const numbers = Array.from({ length: count }, (_, number) => number);
    this.#lost = 0;
    const lose = () => {
      this.#lost += 1;
    };
    this.#sockets = await inGroups(
      numbers,
      OPENED_AT_ONCE,
      (number): Promise<{ close(): void }> =>
        target.kind === 'latchkey'
          ? follow(target, number, subscription, asked, lose)
          : followRaw(target.url, asked, lose),
    );
  }

  /** Returns the number of those whose subscription had ended before. */
  letGo(): number {
    for (const socket of this.#sockets) socket.close();
    this.#asker?.close();
    this.#sockets = [];
    return this.#lost;
  }
}

const OPENED_AT_ONCE = 10;

async function follow(
  target: LatchkeyTarget,
  number: number,
  subscription: IdleSubscription,
  { answerId, threadId }: Asked,
  onLost: () => void,
): Promise<GraphqlSocket> {
  const socket = await GraphqlSocket.open(`${target.url}/graphql`, personOf(target, number));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { workspaceId } = target.shared;
  const [document, variables] = {
    answerEvents: [ANSWER_EVENTS, { answerId }],
    threadEvents: [THREAD_EVENTS, { threadId }],
    workspaceEvents: [WORKSPACE_EVENTS, { workspaceId }],
  }[subscription] as [string, object];
  socket.subscribe(document, variables, {
    onData: () => resolve(),
    onFailure(reason) {
      reject(new Error(reason));
      onLost();
    },
  });
  await promise;
  return socket;
}

async function followRaw(url: string, { answerId }: Asked, onLost: () => void): Promise<RawSocket> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await RawSocket.open(url, { onFrame: () => resolve(), onFailure: onLost });
  socket.send({ type: 'watch', key: answerId, offset: 0 });
  await promise;
  return socket;
}
