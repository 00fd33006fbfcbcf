import type { Scenario } from './scenario.ts';
import { fanOut } from './scenarios/fan-out.ts';
import { firstToken } from './scenarios/first-token.ts';
import { idle } from './scenarios/idle.ts';
import { relay } from './scenarios/relay.ts';

/** All scenarios, in the order in which they are measured. */
export const SCENARIOS: readonly Scenario[] = [relay, firstToken, fanOut, idle];
