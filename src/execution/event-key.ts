import type { ValidatedSubscriptionArgs } from 'graphql';
import type { AccessLost } from '../follow/access-watch.ts';
import type { ThreadEvent } from '../follow/thread.ts';
import type { WorkspaceEvent } from '../follow/workspace-event.ts';
import type { Context } from '../graphql/context.ts';
import type { Message } from '../threads/message.ts';

/**
 * Names what an event comes to for a subscription, so that subscriptions of one viewer with the same document share its
 * execution. Undefined where nothing can be shared: variables are too long, or the event says of itself all there is to read.
 */
export function eventKeyOf(args: ValidatedSubscriptionArgs): (event: FollowedEvent) => string | undefined {
  const { viewer } = args.contextValue as Context;
  const variables = JSON.stringify(args.variableValues.coerced);
  if (viewer === null || variables.length > MAX_VARIABLES_LENGTH) return () => undefined;
  // Documents are remembered, so those with the same text are one object too.
  const prefix = `${viewer.id} ${numberOf(args.document)} ${args.operation.name?.value ?? ''} ${variables}`;
  return (event) => {
    const content = contentOf(event);
    return content === undefined ? undefined : `${prefix} ${event.type} ${content}`;
  };
}

/** Whatever can be followed. */
export type FollowedEvent = ThreadEvent | WorkspaceEvent | AccessLost;

/** What tells an event from others of its type. Rows that were read once for several followers are one object. */
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

/** Which message, and how far it has got: its followers read on from there. */
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
