import type { Turn } from './provider.ts';

/**
 * The turns for providers that insist on a strict order: the user begins, then both alternate, and no text is blank.
 * Neighbours of one role become one turn with a blank line between; answers before the first question are left out.
 */
export function alternateTurns(turns: readonly Turn[]): Turn[] {
  const alternating: Turn[] = [];
  for (const { role, text } of turns) {
    const last = alternating.at(-1);
    if (text.trim() === '' || (last === undefined && role === 'assistant')) continue;
    if (last?.role === role) last.text = `${last.text}\n\n${text}`;
    else alternating.push({ role, text });
  }
  return alternating;
}
