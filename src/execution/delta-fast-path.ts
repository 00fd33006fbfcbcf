import {
  type ExecutionResult,
  isAbstractType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import type { AnswerEvent } from '../answers/live-answer.ts';

export type Delta = Extract<AnswerEvent, { type: 'delta' }>;

/**
 * Reads once what a subscription asks of a delta, so that no token is executed: doing the same few fields anew each time
 * costs more than reading, storing and sending it. Undefined for a document that only the executor understands, e.g. one
 * with a directive. What it gives is what the executor would give.
 */
export function prepareDelta(
  args: ValidatedSubscriptionArgs,
): ((delta: Delta) => ExecutionResult) | undefined {
  const [root, ...more] = args.operation.selectionSet.selections;
  if (root?.kind !== Kind.FIELD || root.selectionSet === undefined || more.length > 0) return undefined;
  if (!FOLLOWED.includes(root.name.value) || root.directives?.length) return undefined;
  const fields = new Map<string, (delta: Delta) => unknown>();
  if (!collect(args, root.selectionSet, fields)) return undefined;
  const rootKey = root.alias?.value ?? root.name.value;
  return (delta) => {
    const data: Record<string, unknown> = Object.create(null);
    for (const [key, read] of fields) data[key] = read(delta);
    return { data: { [rootKey]: data } };
  };
}

const FOLLOWED = ['answerEvents', 'threadEvents'];

/** The fields of AnswerDelta. One that the schema gains is left to the executor until it is named here. */
const FIELDS: Readonly<Record<string, (delta: Delta) => unknown>> = {
  __typename: () => 'AnswerDelta',
  answerId: (delta) => delta.answerId,
  part: (delta) => delta.part,
  offset: (delta) => delta.offset,
  text: (delta) => delta.text,
};

/** Adds what a selection asks of a delta; false if that is not known without executing it. */
function collect(
  args: ValidatedSubscriptionArgs,
  set: SelectionSetNode,
  fields: Map<string, (delta: Delta) => unknown>,
): boolean {
  return set.selections.every((selection) => {
    if (selection.directives?.length) return false;
    if (selection.kind === Kind.FIELD) {
      const read = Object.hasOwn(FIELDS, selection.name.value) ? FIELDS[selection.name.value] : undefined;
      if (read !== undefined) fields.set(selection.alias?.value ?? selection.name.value, read);
      return read !== undefined;
    }
    const fragment =
      selection.kind === Kind.FRAGMENT_SPREAD ? args.fragments[selection.name.value]?.definition : selection;
    if (fragment === undefined || fragment.directives?.length) return false;
    if (!appliesToDelta(args, fragment.typeCondition?.name.value)) return true;
    return collect(args, fragment.selectionSet, fields);
  });
}

function appliesToDelta({ schema }: ValidatedSubscriptionArgs, typeName: string | undefined): boolean {
  if (typeName === undefined || typeName === 'AnswerDelta') return true;
  const type = schema.getType(typeName);
  const delta = schema.getType('AnswerDelta');
  return isAbstractType(type) && isObjectType(delta) && schema.isSubType(type, delta);
}
