import type { JsonObject } from '../json.ts';
import type { AskedModel, ReasoningEffort } from '../options.ts';

/** The efforts that a model takes, and its own one; none for a model that is not in the table. */
export function effortsOf(model: string): {
  efforts: readonly ReasoningEffort[];
  defaultEffort: ReasoningEffort | null;
} {
  const budgets = budgetsOf(model);
  if (budgets !== null) return { efforts: Object.keys(budgets) as ReasoningEffort[], defaultEffort: null };
  const [, major, minor, kind] = /^gemini-(\d+)(?:\.(\d+))?-(pro|flash)/.exec(model) ?? [];
  if (Number(major) < 3 || kind === undefined) return { efforts: [], defaultEffort: null };
  const takesMinimal = kind === 'flash' && minor !== '7';
  return {
    efforts: [...(takesMinimal ? (['MINIMAL'] as const) : []), 'LOW', 'MEDIUM', 'HIGH'],
    defaultEffort: 'HIGH',
  };
}

/** Models of 2.5 are given a number of tokens instead of a level; zero switches the thinking off. */
function budgetsOf(model: string): Partial<Record<ReasoningEffort, number>> | null {
  if (model.startsWith('gemini-2.5-pro')) return { LOW: 1_024, MEDIUM: 8_192, HIGH: 32_768 };
  if (model.startsWith('gemini-2.5-flash')) return { NONE: 0, LOW: 1_024, MEDIUM: 8_192, HIGH: 24_576 };
  return null;
}

/** The thinking of a request; null for a model that does not think, which would refuse it. */
export function thinkingFields(model: AskedModel, effort: ReasoningEffort | null): JsonObject | null {
  if (!thinks(model)) return null;
  if (effort === null) return { includeThoughts: true };
  const budgets = budgetsOf(model.name);
  if (budgets === null) return { includeThoughts: true, thinkingLevel: effort };
  // Thoughts can only be included while there are any.
  return effort === 'NONE'
    ? { thinkingBudget: 0 }
    : { includeThoughts: true, thinkingBudget: budgets[effort] };
}

function thinks({ name, capabilities }: AskedModel): boolean {
  if (capabilities.includes('REASONING')) return true;
  return /^gemini-(2\.5|[3-9]|\d\d|(pro|flash|flash-lite)-latest)/.test(name);
}
