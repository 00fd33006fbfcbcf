import fc from 'fast-check';
import { executeSubscriptionEvent, parse, validate, validateSubscriptionArgs } from 'graphql';
import { expect, test } from 'vitest';
import { type Delta, templateFor } from '../src/execution/delta-template.ts';
import { schema } from '../src/graphql/schema.ts';
import { documentOf } from './kit/person.ts';

/** Selections of a delta as clients write them: plain, renamed, in fragments, beside other members of the union. */
const { selection } = fc.letrec<{ selection: string; fragment: string }>((tie) => ({
  selection: fc
    .array(
      fc.oneof(
        fc.constantFrom('__typename', '...OfDelta', '...OfOthers', '...OfAnything'),
        fc.constantFrom('... on AnswerRetrying { attempt }', '... on AnswerFinished { answer { id text } }'),
        fc.constantFrom('a: __typename', '__proto__: __typename', 'constructor: __typename'),
        tie('fragment'),
      ),
      { minLength: 1, maxLength: 6 },
    )
    .map((parts) => parts.join(' ')),
  fragment: fc.oneof(
    fc
      .subarray(
        ['answerId', 'part', 'offset', 'text', 'kind: part', 'at: offset', '__typename', 'toString: text'],
        {
          minLength: 1,
        },
      )
      .map((fields) => `... on AnswerDelta { ${fields.join(' ')} }`),
    tie('selection').map((inner) => `... { ${inner} }`),
    tie('selection').map((inner) => `... on AnswerEvent { ${inner} }`),
  ),
}));

const FRAGMENTS = `
  fragment OfDelta on AnswerDelta { offset text renamed: answerId }
  fragment OfOthers on AnswerFailed { error { code } }
  fragment OfAnything on AnswerEvent { __typename ...OfDelta }`;

const deltas = fc.record({
  type: fc.constant('delta' as const),
  answerId: fc.string(),
  part: fc.constantFrom('TEXT' as const, 'REASONING' as const),
  offset: fc.nat(),
  text: fc.string({ unit: 'binary' }),
});

async function bothOf(source: string, delta: Delta) {
  const document = parse(source);
  const args = validateSubscriptionArgs({
    schema,
    document,
    variableValues: { answerId: 'msg', threadId: 'thr' },
  });
  if (!('schema' in args)) throw args[0];
  const executed = await executeSubscriptionEvent({ ...args, rootValue: delta });
  return { executed, prepared: templateFor(args)?.resultOf(delta) };
}

test('a prepared delta is what executing the subscription gives', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(selection, deltas, fc.constantFrom('', 'events: '), async (set, delta, alias) => {
      const source = `subscription { ${alias}answerEvents(answerId: "msg") { ${set} } } ${FRAGMENTS}`;
      // Unused fragments are refused by validation, not by execution.
      const errors = validate(schema, parse(source)).filter(
        ({ message }) => !message.includes('is never used'),
      );
      fc.pre(errors.length === 0);
      const { executed, prepared } = await bothOf(source, delta);
      expect(prepared).toBe(JSON.stringify(executed));
      compared++;
    }),
    { numRuns: 500 },
  );
  expect(compared).toBe(500);
});

test.for(['answer-events', 'thread-events'])('the document of %s is prepared', async (operation) => {
  const delta: Delta = { type: 'delta', answerId: 'msg', part: 'TEXT', offset: 3, text: 'Hi' };
  const { executed, prepared } = await bothOf(documentOf(operation), delta);
  expect(prepared).toBe(JSON.stringify(executed));
});

test.for([
  [
    'a directive on a field',
    '{ answerEvents(answerId: "m") { ... on AnswerDelta { text @include(if: true) } } }',
  ],
  [
    'a directive on a fragment',
    '{ answerEvents(answerId: "m") { ... on AnswerDelta @skip(if: false) { text } } }',
  ],
  ['a directive on the subscription', '{ answerEvents(answerId: "m") @include(if: true) { __typename } }'],
])('%s is left to the executor', async ([, source]) => {
  const delta: Delta = { type: 'delta', answerId: 'msg', part: 'TEXT', offset: 3, text: 'Hi' };
  const { executed, prepared } = await bothOf(`subscription ${source}`, delta);
  expect(prepared).toBeUndefined();
  expect(executed.errors).toBeUndefined();
});
