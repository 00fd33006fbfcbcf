import { expect, test } from 'vitest';
import type { CheckResult } from '../src/keys/health.ts';
import { type HealthFacts, healthAfterAnswer, healthAfterCheck } from '../src/keys/health.ts';
import {
  isUsable,
  KEY_HEALTHS,
  KEY_STATUSES,
  type KeyFacts,
  type KeyStatus,
  keyStatus,
} from '../src/keys/status.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';

const NOW = new Date('2026-06-01T12:00:00.000Z');
const BEFORE = new Date(NOW.getTime() - 1);
const AFTER = new Date(NOW.getTime() + 1);

const FRESH: KeyFacts = {
  needsReentry: false,
  planAllowsKeys: true,
  isEnabled: true,
  expiresAt: null,
  health: 'ACTIVE',
  rateLimitedUntil: null,
};

test('a status is the first that applies, whatever else is true of the key', () => {
  // The same rule, said the other way round: which statuses apply at all, then the one listed first.
  const applies: Record<KeyStatus, (facts: KeyFacts) => boolean> = {
    NEEDS_REENTRY: (facts) => facts.needsReentry,
    SUSPENDED: (facts) => !facts.planAllowsKeys,
    DISABLED: (facts) => !facts.isEnabled,
    EXPIRED: ({ expiresAt, health }) => [BEFORE, NOW].includes(expiresAt ?? AFTER) || health === 'EXPIRED',
    INVALID: (facts) => facts.health === 'INVALID',
    EXHAUSTED: (facts) => facts.health === 'EXHAUSTED',
    RATE_LIMITED: (facts) => facts.rateLimitedUntil === AFTER,
    UNVERIFIED: (facts) => facts.health === 'UNVERIFIED',
    ACTIVE: () => true,
  };
  const seen = new Map<KeyStatus, number>(KEY_STATUSES.map((status) => [status, 0]));
  for (const facts of everyCombination()) {
    const status = keyStatus(facts, NOW);
    expect(status, JSON.stringify(facts)).toBe(KEY_STATUSES.find((candidate) => applies[candidate](facts)));
    seen.set(status, (seen.get(status) ?? 0) + 1);
  }
  expect(Object.fromEntries(seen)).toMatchInlineSnapshot(`
    {
      "ACTIVE": 6,
      "DISABLED": 80,
      "EXHAUSTED": 8,
      "EXPIRED": 48,
      "INVALID": 8,
      "NEEDS_REENTRY": 320,
      "RATE_LIMITED": 4,
      "SUSPENDED": 160,
      "UNVERIFIED": 6,
    }
  `);
});

test('an end date and a rate limit both end at their moment', () => {
  expect(keyStatus({ ...FRESH, expiresAt: AFTER }, NOW)).toBe('ACTIVE');
  expect(keyStatus({ ...FRESH, expiresAt: NOW }, NOW)).toBe('EXPIRED');
  expect(keyStatus({ ...FRESH, rateLimitedUntil: AFTER }, NOW)).toBe('RATE_LIMITED');
  expect(keyStatus({ ...FRESH, rateLimitedUntil: NOW }, NOW)).toBe('ACTIVE');
});

test('a key that may recover by itself is tried, one that was refused or withdrawn is not', () => {
  expect(KEY_STATUSES.filter(isUsable)).toEqual(['EXHAUSTED', 'RATE_LIMITED', 'UNVERIFIED', 'ACTIVE']);
});

test('from every status, a conclusive check sets its result and an inconclusive one changes nothing', () => {
  const kept: string[] = [];
  for (const provider of PROVIDER_NAMES)
    for (const by of ['person', 'server'] as const)
      for (const health of KEY_HEALTHS)
        for (const found of KEY_HEALTHS) {
          const before = { ...stood(health), provider, modelsRefreshedAt: BEFORE };
          const models = found === 'ACTIVE' ? [] : null;
          const result: CheckResult = { ...stood(found), healthReason: 'INVALID_KEY', refusal: null, models };
          const after = healthAfterCheck(before, result, by, NOW).health;
          if (after !== found) kept.push(`${health} by a ${by} who found ${found}`);
          expect([health, found]).toContain(after);
        }
  expect([...new Set(kept)]).toEqual([
    'ACTIVE by a person who found UNVERIFIED',
    'INVALID by a person who found UNVERIFIED',
    'EXPIRED by a person who found UNVERIFIED',
    'EXHAUSTED by a person who found UNVERIFIED',
    'ACTIVE by a server who found UNVERIFIED',
    'INVALID by a server who found UNVERIFIED',
    'EXPIRED by a server who found UNVERIFIED',
    'EXHAUSTED by a server who found UNVERIFIED',
    // The providers whose checks say nothing about credit.
    'EXHAUSTED by a server who found ACTIVE',
  ]);
  expect(kept.filter((each) => each.endsWith('found ACTIVE'))).toHaveLength(PROVIDER_NAMES.length - 1);
});

test('a rate limit lasts as long as the provider says, and a minute if it does not', () => {
  const before = stood('ACTIVE');
  const limited = { code: 'RATE_LIMITED', isExplicit: true } as const;
  const until = (retryAt: Date | null) => healthAfterAnswer(before, { ...limited, retryAt }, NOW);
  expect(until(AFTER)).toEqual({ ...before, rateLimitedUntil: AFTER });
  expect(until(null)).toEqual({ ...before, rateLimitedUntil: new Date(NOW.getTime() + 60_000) });
});

function stood(health: KeyFacts['health']): HealthFacts {
  return { health, healthReason: null, rateLimitedUntil: null, refusedAt: null };
}

function* everyCombination(): Generator<KeyFacts> {
  const moments = [null, BEFORE, NOW, AFTER];
  for (const needsReentry of [false, true])
    for (const planAllowsKeys of [false, true])
      for (const isEnabled of [false, true])
        for (const expiresAt of moments)
          for (const health of KEY_HEALTHS)
            for (const rateLimitedUntil of moments)
              yield { needsReentry, planAllowsKeys, isEnabled, expiresAt, health, rateLimitedUntil };
}
