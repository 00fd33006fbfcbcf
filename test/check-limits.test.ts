import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Viewer } from '../src/accounts/session.ts';
import { CheckLimits } from '../src/keys/check-limits.ts';
import type { CheckResult } from '../src/keys/health.ts';
import { createInProcessWindow } from '../src/limits/in-process.ts';
import { Networks } from '../src/networks.ts';
import { ACCEPTED, REFUSED } from './kit/check-result.ts';

/** A check is an oracle for stolen keys, so refused ones are few; those of a person who adds their own keys are not. */

const UNCLEAR: CheckResult = { ...REFUSED, health: 'UNVERIFIED', refusal: 'unclear' };

const person = (id: string, address = '192.0.2.1'): Viewer => ({
  id,
  sessionId: 'session',
  name: 'Ada',
  email: 'ada@example.com',
  address,
});

/** Checks one after the other; how many of them were made. */
async function made(limits: CheckLimits, viewers: readonly Viewer[], result: CheckResult): Promise<number> {
  let count = 0;
  for (const viewer of viewers) {
    const check = async () => {
      count += 1;
      return { result };
    };
    await limits.run(viewer, check).catch(() => {});
  }
  return count;
}

const newLimits = () =>
  new CheckLimits(
    { keyChecksPerPerson: 10, keyChecksPerAddress: 30 },
    new Networks([]),
    createInProcessWindow,
  );

const times = (count: number, viewer: (index: number) => Viewer) =>
  Array.from({ length: count }, (_each, index) => viewer(index));

test.each([
  ['in the provider’s own words', REFUSED],
  ['without them', UNCLEAR],
])('ten checks of a person that are refused %s are the last ones for ten minutes', async (_how, result) => {
  const limits = newLimits();
  expect(
    await made(
      limits,
      times(20, () => person('ada')),
      result,
    ),
  ).toBe(10);
  expect(await made(limits, [person('ada', '192.0.2.2')], ACCEPTED)).toBe(0);
  expect(await made(limits, [person('eve')], ACCEPTED)).toBe(1);
});

test('thirty refused checks from an address are the last ones from there, however many people they are', async () => {
  const limits = newLimits();
  expect(
    await made(
      limits,
      times(40, (index) => person(`person ${index}`)),
      REFUSED,
    ),
  ).toBe(30);
  expect(await made(limits, [person('eve', '192.0.2.2')], ACCEPTED)).toBe(1);
});

test('a hundred checks of a person are made whatever comes of them, and no more', async () => {
  expect(
    await made(
      newLimits(),
      times(120, () => person('ada')),
      ACCEPTED,
    ),
  ).toBe(100);
});

test('checks asked for at once wait where they could be refused too often, and are made once others were accepted', async () => {
  const limits = newLimits();
  const begun: PromiseWithResolvers<{ result: CheckResult }>[] = [];
  const checks = times(12, () => person('ada')).map((viewer) =>
    limits.run(viewer, () => {
      const check = Promise.withResolvers<{ result: CheckResult }>();
      begun.push(check);
      return check.promise;
    }),
  );
  await nextTurn();
  expect(begun).toHaveLength(10);
  for (const check of begun.slice(0, 2)) check.resolve({ result: ACCEPTED });
  await Promise.all(checks.slice(0, 2));
  await expect.poll(() => begun.length).toBe(12);
  for (const check of begun) check.resolve({ result: REFUSED });
  await Promise.all(checks);
  await expect(limits.run(person('ada'), async () => ({ result: ACCEPTED }))).rejects.toMatchObject({
    code: 'BUSY',
  });
});

test('a check that fails on the way counts as none that was refused', async () => {
  const limits = newLimits();
  for (const viewer of times(20, () => person('ada')))
    await expect(limits.run(viewer, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  expect(await made(limits, [person('ada')], ACCEPTED)).toBe(1);
});
