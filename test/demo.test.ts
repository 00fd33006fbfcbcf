import { expect, test } from 'vitest';
import { wrap, wrapSettled } from '../src/demo/wrap.ts';
import { runCommand } from './kit/command.ts';

test('demo --once performs the main job, fits 80 columns and ends', async () => {
  const { exitCode, out, error } = await runCommand(['demo', '--once']);
  expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' });
  for (const heading of [
    '1  Ada signs up',
    '2  Connects three providers',
    '3  Sees what can be asked',
    '4  Makes a variant of Claude Sonnet 5',
    '5  Asks Patient coach',
    '6  Asks two models at once',
    '7  Attaches a PDF and a picture',
    '8  Looks back',
  ])
    expect(out).toContain(`\n${heading}`);
  expect(out).toContain('You asked: “How do I begin something new?”');
  expect(out).toMatch(/Thinking\n.*should say that this answer is simulated.*\n\n {3}Good question\./s);
  expect(out).toMatch(/Good question\..* {4}Good question\./);
  expect(out).toMatch(/Claude Haiku 4\.5\n +first-week\.pdf +NATIVE\n +desk\.png +NATIVE\n/);
  expect(out).toMatch(/grok-4\.7\n +first-week\.pdf +AS_TEXT\n +.*takes no PDFs\.\n +desk\.png +NATIVE\n/);
  expect(out).toMatch(/Patient coach +\d+ tokens in, \d+ out/);
  expect(out).toMatch(/gpt-4\.1-nano +\d+ tokens in, \d+ out/);
  expect(out.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);
  expect(out).not.toContain('\u001b');
}, 60_000);

test('what is printed of a growing text never has to be taken back', () => {
  const text = 'A first line that is broken.\n\n1. An item with a long tail of words.\nAnd an end';
  const whole = wrap(text, 20).join('\n');
  for (let length = 0; length <= text.length; length++)
    expect(whole.startsWith(wrapSettled(text.slice(0, length), 20))).toBe(true);
  expect(whole).toMatchInlineSnapshot(`
    "A first line that is
    broken.

    1. An item with a
       long tail of
       words.
    And an end"
  `);
});
