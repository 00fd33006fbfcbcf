import type { JsonObject } from '../json.ts';
import { type ManualFacts, NO_MANUAL_FACTS } from '../manual-facts.ts';
import {
  type AnswerOptions,
  type AskedModel,
  effortWord,
  type OptionRefusal,
  type ReasoningEffort,
} from '../options.ts';

/** How a Claude model thinks and what it takes. */
interface ClaudeRules {
  /** `budget`: is given a number of tokens; `adaptive`: decides itself. */
  thinking: 'none' | 'budget' | 'adaptive';
  /** Whether its thinking stays hidden unless its display is asked for. */
  isHidden: boolean;
  /** How it is asked not to think: by leaving the field out, or by a type of thinking. Null if it always thinks. */
  off: 'left-out' | 'disabled' | 'between_tools' | null;
  efforts: readonly ReasoningEffort[];
  defaultEffort: ReasoningEffort | null;
  /** Whether it takes a temperature and a top-p. */
  canSample: boolean;
}

/** What the provider's list says about a model, and what its name says where the list is silent. */
export function claudeRules({ name, optionFacts }: AskedModel): ClaudeRules {
  const named = rulesOfName(name);
  const types = optionFacts?.thinking ?? null;
  const thinking = types === null ? named.thinking : thinkingOf(types);
  const off = types?.includes('disabled') ? 'disabled' : named.off;
  const efforts = thinking === 'adaptive' ? (optionFacts?.efforts ?? named.efforts) : BUDGETED;
  const withNone = [...(off === null ? [] : (['NONE'] as const)), ...efforts];
  return {
    thinking,
    isHidden: named.isHidden,
    off,
    efforts: thinking === 'none' ? [] : withNone,
    defaultEffort: thinking === 'budget' ? 'MEDIUM' : (optionFacts?.defaultEffort ?? named.defaultEffort),
    canSample: named.canSample,
  };
}

/** What Anthropic's documentation says about the efforts of a model; the list goes before. */
export function claudeFacts(model: AskedModel): ManualFacts {
  const { efforts, defaultEffort } = claudeRules({ ...model, optionFacts: null });
  return { ...NO_MANUAL_FACTS, efforts: { value: { efforts, defaultEffort }, asOf: RULES_AS_OF } };
}

/** When the documentation was seen to say what the rules by name say. */
const RULES_AS_OF = '2026-11-28';

function thinkingOf(types: readonly string[]): ClaudeRules['thinking'] {
  if (types.includes('adaptive')) return 'adaptive';
  return types.includes('enabled') ? 'budget' : 'none';
}

function rulesOfName(name: string): ClaudeRules {
  const { kind, version } = parseName(name);
  const adaptive = { thinking: 'adaptive', isHidden: true, canSample: false } as const;
  // A name of another form may be that of a later model, of which the least is assumed.
  if (version === null) return { ...NO_THINKING, isHidden: true, canSample: false };
  if (version < 37) return NO_THINKING;
  if (version <= 45)
    return {
      ...NO_THINKING,
      thinking: 'budget',
      off: 'left-out',
      efforts: BUDGETED,
      defaultEffort: 'MEDIUM',
    };
  if (version === 46) {
    const efforts = ['LOW', 'MEDIUM', 'HIGH', 'MAX'] as const;
    return { ...NO_THINKING, thinking: 'adaptive', off: 'left-out', efforts, defaultEffort: 'HIGH' };
  }
  if (version < 50) return { ...adaptive, off: 'left-out', efforts: TO_MAX, defaultEffort: 'HIGH' };
  const off = offOf(kind, version);
  const defaultEffort = version === 55 ? (kind === 'sonnet' ? 'HIGH' : 'MEDIUM') : null;
  return { ...adaptive, off, efforts: TO_MAX, defaultEffort };
}

function offOf(kind: string, version: number): ClaudeRules['off'] {
  if (kind === 'haiku') return 'disabled';
  if (kind === 'opus') return version === 50 ? 'disabled' : null;
  if (kind === 'sonnet') return version === 50 ? 'disabled' : version === 55 ? 'between_tools' : null;
  return null;
}

const BUDGETED = ['LOW', 'MEDIUM', 'HIGH'] as const;
const TO_MAX = ['LOW', 'MEDIUM', 'HIGH', 'XHIGH', 'MAX'] as const;

const NO_THINKING: ClaudeRules = {
  thinking: 'none',
  isHidden: false,
  off: null,
  efforts: [],
  defaultEffort: null,
  canSample: true,
};

/** Kind and version of a name, e.g. opus and 48 of `claude-opus-4-8`, haiku and 35 of `claude-3-5-haiku-20241022`. */
function parseName(name: string): { kind: string; version: number | null } {
  const [, kind, major, minor = '0'] = /^claude-([a-z]+)-(\d)(?:-(\d))?(?=-|$)/.exec(name) ?? [];
  if (kind !== undefined) return { kind, version: Number(major) * 10 + Number(minor) };
  const [, oldMajor, oldMinor = '0', oldKind = ''] = /^claude-(\d)(?:-(\d))?-([a-z]+)/.exec(name) ?? [];
  return { kind: oldKind, version: oldMajor === undefined ? null : Number(oldMajor) * 10 + Number(oldMinor) };
}

/** The fields of a request that make the model think, and show a summary of it. */
export function thinkingFields(
  model: AskedModel,
  effort: ReasoningEffort | null,
  maxTokens: number,
): JsonObject {
  const { thinking, isHidden, off } = claudeRules(model);
  if (thinking === 'none') return {};
  if (effort === 'NONE') return off === 'left-out' ? {} : { thinking: { type: off } };
  if (thinking === 'adaptive') {
    return {
      thinking: { type: 'adaptive', ...(isHidden && { display: 'summarized' }) },
      ...(effort !== null && { output_config: { effort: effortWord(effort) } }),
    };
  }
  // Thinking is part of `max_tokens`, and the text needs the rest.
  const budget = Math.min(BUDGETS[effort ?? 'MEDIUM'] ?? SMALLEST_BUDGET, Math.floor(maxTokens / 2));
  return budget < SMALLEST_BUDGET ? {} : { thinking: { type: 'enabled', budget_tokens: budget } };
}

const SMALLEST_BUDGET = 1_024;
const BUDGETS: Partial<Record<ReasoningEffort, number>> = { LOW: 1_024, MEDIUM: 4_096, HIGH: 16_384 };

/** Options of Claude that exclude each other. */
export function findOptionConflict(model: AskedModel, options: AnswerOptions): OptionRefusal | null {
  const { temperature, topP, effort, maxOutputTokens } = options;
  const { thinking, off } = claudeRules(model);
  if (temperature !== null && topP !== null) {
    return { option: 'topP', reason: 'takes no top-p beside a temperature; leave one of the two out' };
  }
  if (thinking === 'none' || effort === 'NONE') return null;
  const instead = off === null ? '' : 'choose the effort NONE or ';
  if (temperature !== null && temperature !== 1) {
    const reason = `takes no temperature other than 1 while it thinks; ${instead}leave the temperature out`;
    return { option: 'temperature', reason };
  }
  if (topP !== null && topP < LEAST_TOP_P) {
    const reason = `takes no top-p below ${LEAST_TOP_P} while it thinks; ${instead}leave the top-p out`;
    return { option: 'topP', reason };
  }
  const isShort = maxOutputTokens !== null && maxOutputTokens < 2 * SMALLEST_BUDGET;
  if (thinking === 'budget' && effort !== null && isShort) {
    const reason =
      'needs an output limit of at least 2,048 to think; raise the limit or choose the effort NONE';
    return { option: 'maxOutputTokens', reason };
  }
  return null;
}

const LEAST_TOP_P = 0.95;
