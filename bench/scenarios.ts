import type { Scenario } from './scenario.ts';
import { firstToken } from './scenarios/first-token.ts';
import { relay } from './scenarios/relay.ts';

/** All scenarios, in the order in which they are measured. */
export const SCENARIOS: readonly Scenario[] = [relay, firstToken];
