import {
  type GraphQLSchema,
  isAbstractType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import type { AnswerEvent } from '../answers/followed-answer.ts';

export type Delta = Extract<AnswerEvent, { type: 'delta' }>;

/**
 * The result of a delta as JSON with gaps, made once from the selection of an operation, so that no token is executed and
 * stringified: that would cost more than reading, storing and sending it. It gives what the executor gives.
 */
export class DeltaTemplate {
  /** Constant text before each of the gaps, and after the last one. */
  readonly #constants: readonly string[];
  readonly #gaps: readonly Gap[];
  #last: { delta: Delta; result: string } | undefined;

  constructor(rootKey: string, fields: ReadonlyMap<string, DeltaField>) {
    const constants: string[] = [];
    const gaps: Gap[] = [];
    let constant = `{"data":{${JSON.stringify(rootKey)}:{`;
    let separator = '';
    for (const [key, field] of fields) {
      constant += `${separator}${JSON.stringify(key)}:`;
      separator = ',';
      if (field === '__typename') constant += '"AnswerDelta"';
      else {
        constants.push(constant);
        gaps.push(field);
        constant = '';
      }
    }
    constants.push(`${constant}}}}`);
    this.#constants = constants;
    this.#gaps = gaps;
  }

  /** The result as JSON. All who follow an answer from the same place are given the same delta, which is written once. */
  resultOf(delta: Delta): string {
    if (this.#last?.delta === delta) return this.#last.result;
    const constants = this.#constants;
    let result = constants[0] ?? '';
    for (let index = 0; index < this.#gaps.length; index++)
      result += `${fill(delta, this.#gaps[index])}${constants[index + 1]}`;
    if (delta.text.length <= LONGEST_KEPT) this.#last = { delta, result };
    return result;
  }
}

/**
 * The template for an operation. Undefined if it needs the executor, e.g. for a directive. Cached, since all subscriptions with
 * the same document share its nodes.
 */
export function templateFor(args: ValidatedSubscriptionArgs): DeltaTemplate | undefined {
  if (!templates.has(args.operation)) templates.set(args.operation, compile(args));
  return templates.get(args.operation);
}

const templates = new WeakMap<OperationDefinitionNode, DeltaTemplate | undefined>();
const LONGEST_KEPT = 8_192; // a delta that is shared while it is sent, not the text that one late reader has to catch up with

/** A field of AnswerDelta. A document with another one goes to the executor. */
type DeltaField = Gap | '__typename';
type Gap = 'answerId' | 'part' | 'offset' | 'text';

function fill(delta: Delta, gap: Gap | undefined): string | number {
  switch (gap) {
    case 'offset':
      return delta.offset;
    case 'part':
      return delta.part === 'TEXT' ? '"TEXT"' : '"REASONING"';
    case 'text':
      return JSON.stringify(delta.text);
    default:
      return JSON.stringify(delta.answerId);
  }
}

function isDeltaField(name: string): name is DeltaField {
  return ['__typename', 'answerId', 'part', 'offset', 'text'].includes(name);
}

function compile(args: ValidatedSubscriptionArgs): DeltaTemplate | undefined {
  const [root, ...more] = args.operation.selectionSet.selections;
  if (root?.kind !== Kind.FIELD || root.selectionSet === undefined || more.length > 0) return undefined;
  if (!FOLLOWED.includes(root.name.value) || root.directives?.length) return undefined;
  const fields = new Map<string, DeltaField>();
  if (!collect(args, root.selectionSet, fields)) return undefined;
  return new DeltaTemplate(root.alias?.value ?? root.name.value, fields);
}

const FOLLOWED = ['answerEvents', 'threadEvents'];

/** Adds the fields of a selection; false if it needs the executor. */
function collect(
  args: ValidatedSubscriptionArgs,
  set: SelectionSetNode,
  fields: Map<string, DeltaField>,
): boolean {
  return set.selections.every((selection) => {
    if (selection.directives?.length) return false;
    if (selection.kind === Kind.FIELD) {
      const name = selection.name.value;
      if (!isDeltaField(name)) return false;
      fields.set(selection.alias?.value ?? name, name);
      return true;
    }
    const fragment =
      selection.kind === Kind.FRAGMENT_SPREAD ? args.fragments[selection.name.value]?.definition : selection;
    if (fragment === undefined || fragment.directives?.length) return false;
    if (!appliesToDelta(args.schema, fragment.typeCondition?.name.value)) return true;
    return collect(args, fragment.selectionSet, fields);
  });
}

function appliesToDelta(schema: GraphQLSchema, typeName: string | undefined): boolean {
  if (typeName === undefined || typeName === 'AnswerDelta') return true;
  const type = schema.getType(typeName);
  const delta = schema.getType('AnswerDelta');
  return isAbstractType(type) && isObjectType(delta) && schema.isSubType(type, delta);
}
