import { ProviderError } from '../failure/failure.ts';
import type { ProviderFailureCode } from '../failure/failure-table.ts';
import { asText } from '../json.ts';
import type { AnswerEnd, FinishReason } from '../provider.ts';

/**
 * The end of an answer for a provider's finish word. Gateways send the words of all vendors over every protocol, so one table
 * covers them all. Throws ProviderError for a word that means that the answer was broken off.
 */
export function answerEnd(word: string): AnswerEnd {
  const letters = lettersOf(word);
  const failure = FAILURES.find(([words]) => words.test(letters))?.[1];
  const finishReason = REASONS.find(([words]) => words.test(letters))?.[1];
  if (finishReason === undefined && failure !== undefined) throw new ProviderError(failure);
  return { finishReason: finishReason ?? 'OTHER', providerFinishReason: word };
}

/** The finish word in a field that every event may have; null while the answer goes on. */
export function finishWord(value: unknown): string | null {
  const word = asText(value);
  return word === null || GOES_ON.test(lettersOf(word)) ? null : word;
}

/** `MAX_TOKENS`, `max-tokens` and `maxTokens` are one word. */
function lettersOf(word: string): string {
  return word
    .slice(0, LONGEST_WORD)
    .toLowerCase()
    .replace(/[^a-z]/g, '')
    .replace(/^finishreason/, '');
}

const LONGEST_WORD = 100;

// DashScope writes "null" as a word, watsonx `not_finished`, and protobuf servers the default of their enumeration.
const GOES_ON = /^(|null|none|notfinished|inprogress|queued|unspecified)$/;

const REASONS: readonly (readonly [words: RegExp, reason: FinishReason])[] = [
  [/^(stop|endturn|stopsequence|eos|eostoken|endoftext|completed?|normal)$/, 'STOP'],
  [
    /^(model)?(max)?(output|completion)?(length|tokens?|limit|tokenlimit)(reached|exceeded)?$|context(window|length)exceeded$|^errorlimit$/,
    'LENGTH',
  ],
  [
    /safety|filter|sensitive|prohibited|blocklist|recitation|^language$|spii|refusal|guardrail|moderation|toxic|modelarmor|contentpolicy/,
    'CONTENT_FILTER',
  ],
];

const FAILURES: readonly (readonly [words: RegExp, code: ProviderFailureCode])[] = [
  [/ratelimit|throttl/, 'RATE_LIMITED'],
  [/insufficient|overload|capacity|unavailable|preempt|outofmemory/, 'PROVIDER_OVERLOADED'],
  [/timeout|timedout|timelimit|deadline/, 'TIMEOUT'],
  [/network|abort|interrupt|disconnect|cancel|^incomplete$/, 'STREAM_CUT'],
  [/error|fail|exception|crash|kill|malformed(response|modeloutput)/, 'PROVIDER_ERROR'],
];
