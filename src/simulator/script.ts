import { readDirective } from './directive.ts';
import { type ModelFault, modelFault } from './faults.ts';
import type { AnswerEnd, Conversation, ModelFacts, Source, TokenCounts, Turn } from './provider.ts';
import {
  composeAnswer,
  composeReasoning,
  composeTokens,
  DIFFICULT_TEXT,
  NUL_TOKENS,
  SURROGATE_TOKENS,
  splitTokens,
} from './text.ts';

/** One answer independent of a provider: its text, pace and fault. */
export interface Script {
  fault: ModelFault | null;
  /** Tokens of each block of reasoning. */
  reasoning: string[][];
  text: string[];
  sources: Source[];
  end: AnswerEnd;
  tokens: TokenCounts;
  /** Milliseconds between two tokens. */
  paceMs: number;
}

const SLOW_PACE_MS = 300;

/** Writes the answer to a conversation; the same conversation gets the same answer. */
export function writeScript(
  conversation: Conversation,
  model: ModelFacts,
  cache: Pick<TokenCounts, 'cached' | 'written'>,
  defaultPaceMs: number,
): Script {
  const directive = readDirective(lastQuestion(conversation)?.text ?? '');
  const fault = modelFault(conversation.model) ?? directive.fault;
  const hasSources = conversation.wantsSources || fault === 'citations';
  const wanted = textTokens(conversation, directive, fault, hasSources);
  const reasons = model.reasons || fault === 'reasoning';
  const thoughts = reasons ? composeReasoning(directive.question).map(splitTokens) : [];

  // A limit counts reasoning too: a small one leaves an answer with no text at all.
  const limit = conversation.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const reasoning = takeTokens(thoughts, limit);
  const reasoningTokens = reasoning.flat().length;
  const text = wanted.slice(0, Math.max(0, limit - reasoningTokens));
  return {
    fault,
    reasoning,
    text,
    sources: hasSources ? findSources(text.join('')) : [],
    end:
      fault === 'filter'
        ? 'content-filter'
        : fault === 'length' || text.length < wanted.length
          ? 'length'
          : 'stop',
    tokens: {
      input: countInputTokens(conversation),
      text: text.length,
      reasoning: reasoningTokens,
      ...cache,
    },
    paceMs: directive.paceMs ?? (fault === 'slow' ? SLOW_PACE_MS : defaultPaceMs),
  };
}

/** Tokens of everything that was sent to the model. */
export function countInputTokens(conversation: Conversation): number {
  const texts = [conversation.system ?? '', ...conversation.turns.map((turn) => turn.text)];
  const ofFiles = conversation.turns.reduce((total, { fileTokens = 0 }) => total + fileTokens, 0);
  return texts.flatMap(splitTokens).length + ofFiles;
}

function lastQuestion(conversation: Conversation): Turn | undefined {
  return conversation.turns.findLast((turn) => turn.role === 'user');
}

/** A line for each file of the conversation. */
function listFiles({ turns }: Conversation): string {
  return turns.flatMap(({ attachments }) => attachments).join('\n') || 'There are no files.';
}

function textTokens(
  conversation: Conversation,
  directive: ReturnType<typeof readDirective>,
  fault: ModelFault | null,
  hasSources: boolean,
): string[] {
  if (fault === 'empty') return [];
  if (fault === 'surrogates') return SURROGATE_TOKENS;
  if (fault === 'nul') return NUL_TOKENS;
  if (directive.isEcho) {
    const { system, turns, maxOutputTokens } = conversation;
    return splitTokens(JSON.stringify({ system, turns, maxOutputTokens }));
  }
  if (directive.listsFiles) return splitTokens(listFiles(conversation));
  if (directive.say !== null) return splitTokens(directive.say);
  if (directive.tokens !== null) return composeTokens(directive.tokens);
  const files = lastQuestion(conversation)?.attachments ?? [];
  const answer = composeAnswer(directive.question, conversation.model, files);
  if (fault === 'split') return splitTokens(DIFFICULT_TEXT + answer);
  return splitTokens(hasSources ? `${answer}\n\n${SOURCES_SENTENCE}` : answer);
}

function takeTokens(blocks: string[][], limit: number): string[][] {
  let left = limit;
  return blocks
    .map((block) => {
      const taken = block.slice(0, Math.max(0, left));
      left -= taken.length;
      return taken;
    })
    .filter((block) => block.length > 0);
}

const SOURCES_SENTENCE = 'See the handbook [1] and the field notes [2] for more.';

function findSources(text: string): Source[] {
  return [
    { words: 'the handbook [1]', url: 'https://example.com/handbook', title: 'The handbook' },
    { words: 'the field notes [2]', url: 'https://example.org/notes?page=2', title: 'Field notes, page 2' },
  ].map(({ words, url, title }) => {
    const found = text.indexOf(words);
    const place =
      found < 0 ? { startOffset: 0, endOffset: 0 } : { startOffset: found, endOffset: found + words.length };
    return { url, title, snippet: `From ${title}.`, ...place };
  });
}
