import { InvalidInputError } from '../errors.ts';
import { checkOptions, type GivenOptions } from '../models/answer-options.ts';
import type { RequestedAnswer } from './send-state.ts';

/** An answer as a person asks for it. */
export interface AnswerInput {
  modelId: string;
  options?: GivenOptions | null | undefined;
}

/** The answers that a message asks for: by model ids, or each with its options. Throws InvalidInputError. */
export function checkAnswers({
  modelIds,
  answers,
}: {
  modelIds?: readonly string[] | null | undefined;
  answers?: readonly AnswerInput[] | null | undefined;
}): RequestedAnswer[] {
  if (modelIds != null && answers == null) return checkModelIds(modelIds);
  if (answers == null || modelIds != null)
    throw new InvalidInputError('modelIds', 'Give either `modelIds` or `answers`, not both and not neither.');
  requireCount('answers', answers.length, 'Ask for');
  return answers.map(({ modelId, options }, index) => {
    const path = { modelId: `answers.${index}.modelId`, options: `answers.${index}.options` };
    return { modelId, options: checkOptions(path.options, options ?? {}), repeats: null, path };
  });
}

/** The part of an answer's input that decides about the result, in one order. */
export function hashedOf({ modelId, options }: AnswerInput): unknown[] {
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return [modelId, ...given.sort(([left], [right]) => (left < right ? -1 : 1))];
}

function checkModelIds(modelIds: readonly string[]): RequestedAnswer[] {
  requireCount('modelIds', modelIds.length, 'Choose');
  if (new Set(modelIds).size < modelIds.length)
    throw new InvalidInputError(
      'modelIds',
      'A model is named twice. Name each model once, or ask for answers with other options for each.',
    );
  return modelIds.map((modelId, index) => {
    const path = `modelIds.${index}`;
    return { modelId, options: {}, repeats: null, path: { modelId: path, options: path } };
  });
}

function requireCount(path: 'modelIds' | 'answers', count: number, verb: string): void {
  if (count >= 1 && count <= MAX_ANSWERS) return;
  const noun = path === 'modelIds' ? 'models' : 'answers';
  throw new InvalidInputError(path, `${verb} between 1 and ${MAX_ANSWERS} ${noun}.`);
}

const MAX_ANSWERS = 8; // side by side on one screen
