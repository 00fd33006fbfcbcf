import type { JsonObject } from '../json.ts';
import {
  type Efforts,
  type ManualEntry,
  type ManualFacts,
  NO_EFFORTS,
  readManualFacts,
} from '../manual-facts.ts';
import type { AskedModel, ReasoningEffort } from '../options.ts';

/** What Google's documentation says about a model; its list says of this only whether the model thinks. */
export function geminiFacts(model: string): ManualFacts {
  return readManualFacts(FACTS, model);
}

/** The efforts that a model takes, and its own one; none for a model that is not in the table. */
export function effortsOf(model: string): Efforts {
  return geminiFacts(model).efforts?.value ?? NO_EFFORTS;
}

/** Models of 2.5 are given a number of tokens instead of a level; zero switches the thinking off. */
function budgetsOf(model: string): Partial<Record<ReasoningEffort, number>> | null {
  if (model.startsWith('gemini-2.5-pro')) return { LOW: 1_024, MEDIUM: 8_192, HIGH: 32_768 };
  if (model.startsWith('gemini-2.5-flash')) return { NONE: 0, LOW: 1_024, MEDIUM: 8_192, HIGH: 24_576 };
  return null;
}

const LOW_TO_HIGH = ['LOW', 'MEDIUM', 'HIGH'] as const;
const asOf = '2026-11-28'; // the guides to thinking, images and documents

const FACTS: readonly ManualEntry[] = [
  { models: /^gemini-/, asOf, capabilities: ['IMAGE_INPUT', 'PDF_INPUT'] },
  { models: /^gemini-2\.5-pro/, asOf, efforts: LOW_TO_HIGH },
  { models: /^gemini-2\.5-flash/, asOf, efforts: ['NONE', ...LOW_TO_HIGH] },
  { models: /^gemini-3\.7-flash/, asOf, efforts: LOW_TO_HIGH, defaultEffort: 'HIGH' },
  {
    models: /^gemini-([3-9]|[1-9]\d)(\.\d+)?-flash/,
    asOf,
    efforts: ['MINIMAL', ...LOW_TO_HIGH],
    defaultEffort: 'HIGH',
  },
  { models: /^gemini-([3-9]|[1-9]\d)(\.\d+)?-pro/, asOf, efforts: LOW_TO_HIGH, defaultEffort: 'HIGH' },
];

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
