import { expect, test } from 'vitest';
import { Following, IDLE, type Polled, polled } from '../src/pollable.ts';

test('a reader that is woken just after it found nothing reads on', async () => {
  const events: string[] = [];
  let wake = () => {};
  const following = new Following<string>((onWake) => {
    wake = onWake;
    return {
      take(): Polled<string> {
        const event = events.shift();
        if (event !== undefined) return polled(event);
        queueMicrotask(() => {
          events.push('late');
          wake();
        });
        return IDLE;
      },
      close: () => {},
    };
  });
  expect(await following.next()).toEqual({ done: false, value: 'late' });
});
