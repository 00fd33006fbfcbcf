import type { Scenario } from './scenario.ts';
import { compare } from './scenarios/compare.ts';
import { durability } from './scenarios/durability.ts';
import { fanOut } from './scenarios/fan-out.ts';
import { firstToken } from './scenarios/first-token.ts';
import { fleet } from './scenarios/fleet.ts';
import { idle } from './scenarios/idle.ts';
import { loop } from './scenarios/loop.ts';
import { relay } from './scenarios/relay.ts';
import { requests } from './scenarios/requests.ts';
import { resume } from './scenarios/resume.ts';
import { slow } from './scenarios/slow.ts';

/** All scenarios, in the order in which they are measured. */
export const SCENARIOS: readonly Scenario[] = [
  relay,
  firstToken,
  fanOut,
  compare,
  resume,
  slow,
  requests,
  durability,
  loop,
  idle,
  fleet,
];
