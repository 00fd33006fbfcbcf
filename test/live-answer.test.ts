import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LiveAnswer } from '../src/answers/live-answer.ts';

test('readers at any offset receive what lies behind it, whatever the size of the pieces', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.string(),
      fc.nat(9_000).map((length) => 'x'.repeat(length)),
    ),
  );
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(20_000)), (written, offsets) => {
      const live = new LiveAnswer({ id: 'msg_1', threadId: 'thr_1', writerId: 'run_1', provider: 'CUSTOM' });
      const readers = offsets.map((text) => ({
        text,
        reader: live.read({ text, reasoning: 0 }, () => {}),
        got: '',
      }));
      for (const piece of written) {
        live.text(piece);
        for (const reader of readers) {
          const step = reader.reader.take();
          if (step.type === 'event' && step.event.type === 'delta') reader.got += step.event.text;
        }
      }
      const expected = written.join('').replaceAll('\0', '').toWellFormed();
      expect(live.snapshot.text).toBe(expected);
      for (const { text, got } of readers) expect(got).toBe(expected.slice(text));
    }),
  );
});

test('a long answer in small pieces costs its reader time in proportion', () => {
  const live = new LiveAnswer({ id: 'msg_1', threadId: 'thr_1', writerId: 'run_1', provider: 'CUSTOM' });
  const reader = live.read({ text: 0, reasoning: 0 }, () => {});
  const startedAt = performance.now();
  for (let written = 0; written < 1_000_000; written += 5) {
    live.text('words');
    reader.take();
  }
  // It took minutes when each piece copied all of the text; now less than a second.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
