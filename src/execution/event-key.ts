import type { ValidatedSubscriptionArgs } from 'graphql';
import type { AccessLost } from '../follow/access-watch.ts';
import type { ThreadEvent } from '../follow/thread.ts';
import type { WorkspaceEvent } from '../follow/workspace-event.ts';
import type { Context } from '../graphql/context.ts';
import type { Message } from '../threads/message.ts';

/**
 * A key for the result of an event, so that subscriptions of one viewer with the same document share its execution. Undefined
 * where nothing can be shared: the variables are too long, or the event needs no reads.
 */
export function eventKey(args: ValidatedSubscriptionArgs, event: FollowedEvent): string | undefined {
  const content = contentOf(event);
  if (content === undefined) return undefined;
  const { viewer } = args.contextValue as Context;
  const variables = JSON.stringify(args.variableValues.coerced);
  if (viewer === null || variables.length > MAX_VARIABLES_LENGTH) return undefined;
  // Documents are cached, so those with the same text are the same object.
  const name = args.operation.name?.value ?? '';
  return `${viewer.id} ${numberOf(args.document)} ${name} ${variables} ${event.type} ${content}`;
}

/** An event of any subscription. */
export type FollowedEvent = ThreadEvent | WorkspaceEvent | AccessLost;

/** The parts of an event that differ within its type. Rows that were read once for several followers are one object. */
function contentOf(event: FollowedEvent): string | undefined {
  switch (event.type) {
    case 'workspace-snapshot':
    case 'workspace-updated':
      return `${numberOf(event.workspace)}`;
    case 'api-key-added':
    case 'api-key-updated':
      return `${numberOf(event.apiKey)}`;
    case 'models-updated':
      return `${numberOf(event)}`;
    case 'member-added':
    case 'member-updated':
      return `${numberOf(event.member)}`;
    case 'thread-added':
    case 'thread-updated':
      return `${numberOf(event.thread)}`;
    case 'snapshot':
      return `${numberOf(event.thread)} ${event.writing.map(placeOf)}`;
    case 'message-removed':
      return `${numberOf(event.thread)} ${event.removedId}`;
    case 'message-added':
      return placeOf(event.message);
    case 'ended':
      return placeOf(event.answer);
    default:
      return undefined;
  }
}

/** A message and its length so far, from which followers read on. */
function placeOf({ id, status, text, reasoning }: Message): string {
  return `${id} ${status} ${text.length} ${reasoning.length}`;
}

function numberOf(object: object): number {
  const number = numbers.get(object) ?? ++lastNumber;
  numbers.set(object, number);
  return number;
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

const MAX_VARIABLES_LENGTH = 1_024; // ids and offsets
