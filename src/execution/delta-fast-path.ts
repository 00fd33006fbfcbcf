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
 * Compiles the selection of a delta once per subscription, so that no token is executed: executing the same few fields each
 * time costs more than reading, storing and sending them. Undefined for a document that needs the executor, e.g. one with a
 * directive. The result is the same as the executor's.
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

/** The fields of AnswerDelta. A document with a field that is not listed here goes to the executor. */
const FIELDS: Readonly<Record<string, (delta: Delta) => unknown>> = {
  __typename: () => 'AnswerDelta',
  answerId: (delta) => delta.answerId,
  part: (delta) => delta.part,
  offset: (delta) => delta.offset,
  text: (delta) => delta.text,
};

/** Adds the fields of a selection; false if it needs the executor. */
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
