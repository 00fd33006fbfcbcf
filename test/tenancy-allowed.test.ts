import { describe, expect, test } from 'vitest';
import { askHeld, follow, TRANSPORTS } from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { change, letIn } from './kit/people.ts';
import { newThread } from './kit/place.ts';
import { say } from './kit/say.ts';
import { IS_CARRIED } from './kit/server.ts';
import { summary, tryAll, useMatrix } from './kit/tenancy-matrix.ts';
import { TRANSPORT_NAMES } from './kit/tenancy-transport.ts';

/** What people are allowed works for them, shows nothing else, and ends when they leave. A file of its own, so that two workers share the matrix. */
const matrix = useMatrix();

describe.each(TRANSPORT_NAMES)('over %s', (transport) => {
  test('what a role allows is done, and the answer shows nothing that the person may not see', async () => {
    const tried = await tryAll(transport, (outcome) => outcome === 'ok');
    expect(tried.wrong.slice(0, 20)).toEqual([]);
    say(`${transport}: allowed ${summary(tried)}`);
  }, 60_000);
});

// What nobody announces is found a few seconds later.
test.each(IS_CARRIED ? Object.entries(TRANSPORTS) : [])(
  'a subscription over %s sends a removed member nothing any more',
  async (_name, connect) => {
    const { people, places, models } = matrix.world;
    const leaver = await matrix.server.signUp('Leaver');
    await letIn(people.owner, places.shared, leaver, 'MEMBER');
    const threadId = await newThread(people.owner, places.shared);
    const model = { id: models.shared ?? '' };
    const { answerId, call } = await askHeld(matrix.server.simulator, people.owner, model, { threadId });
    const client = connect(leaver);
    const heard: string[] = [];
    let begun = 0;
    const follows = Object.entries({
      'answer-events': { answerId },
      'thread-events': { threadId },
      'workspace-events': { workspaceId: places.shared },
    }).map(async ([operation, variables]) => {
      try {
        for await (const event of follow(client, operation, variables)) {
          begun++;
          heard.push(`${operation} ${event.__typename}`);
        }
      } catch (error) {
        heard.push(`${operation} ${String(error).includes('NOT_FOUND') ? 'NOT_FOUND' : error}`);
      }
    });
    await eventually('the snapshots', () => begun >= 2);
    call.release(1);
    await eventually('a delta for each of the two', () => begun >= 4);
    heard.length = 0;
    await change(people.owner, 'remove-member', { workspaceId: places.shared, userId: leaver.id });
    call.release();
    await Promise.all(follows);
    expect(heard.toSorted()).toEqual([
      'answer-events NOT_FOUND',
      'thread-events ThreadRemoved',
      'workspace-events NOT_FOUND',
    ]);
    await client.dispose();
  },
);
