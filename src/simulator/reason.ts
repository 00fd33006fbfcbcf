import type { KeyFault } from './faults.ts';
import type { RefusalReason, Route } from './provider.ts';
import type { Script } from './script.ts';

const LIMITED_TRIES = 2;

/** Why a key with this fault is refused on this route; null where it passes. */
export function keyRefusal(fault: KeyFault, route: Exclude<Route, { type: 'reply' }>): RefusalReason | null {
  const isJudged = route.key !== 'ignored';
  switch (fault) {
    case 'wrong':
      return isJudged ? 'wrong-key' : null;
    case 'expired':
      return isJudged ? 'expired-key' : null;
    case 'echo':
      return isJudged ? 'echoed-key' : null;
    case 'forbidden':
      return isJudged ? 'forbidden' : null;
    case 'disabled':
      return isJudged && route.type !== 'check' ? 'forbidden' : null;
    case 'restricted':
      return isJudged && route.type === 'list' ? 'forbidden' : null;
    case 'limited':
      return isJudged ? 'rate-limited' : null;
    case 'quota':
      return route.type === 'answer' ? 'no-credit' : null;
    case 'down':
      return 'down';
    case 'nolist':
      return route.type === 'list' ? 'broken' : null;
    case 'hang':
    case 'empty':
      return null;
    default:
      return fault satisfies never;
  }
}

/** Why a question is refused before any answer; null where it is answered. */
export function modelRefusal(script: Script, countTry: () => number): RefusalReason | null {
  switch (script.fault) {
    case 'limited':
      return countTry() % (LIMITED_TRIES + 1) === 0 ? null : 'rate-limited';
    case 'limited-always':
      return 'rate-limited';
    case 'overloaded':
      return 'overloaded';
    case 'unknown':
      return 'unknown-model';
    case 'disabled':
      return 'retired-model';
    case 'long':
      return 'context-too-long';
    case 'blocked':
      return 'blocked-prompt';
    default:
      return null;
  }
}
