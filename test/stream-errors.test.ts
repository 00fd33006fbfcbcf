import { expect, test } from 'vitest';
import { askWire, codeOf } from './fixtures/ask.ts';
import { eventStream } from './fixtures/scripted-egress.ts';
import { data } from './fixtures/streams.ts';
import { PIECES } from './fixtures/wire-events.ts';
import { startWires, type Wire } from './kit/wires.ts';

const MESSAGE = 'This request exceeds the available context size. Try increasing it.';
const ERROR = { code: 400, message: MESSAGE, type: 'exceed_context_size_error' };

/** Every form in which a server has been seen to say, after status 200, that it failed. */
const FORMS: Record<string, string> = {
  'an object': data({ error: ERROR }),
  'a text': data({ error: MESSAGE }),
  'a list of errors': data({ error: [ERROR] }),
  'a list of envelopes': `data: ${JSON.stringify([{ error: ERROR }])}\n\n`,
  'an object beside choices': data({ error: ERROR, choices: [] }),
  'error_type beside null choices': data({
    id: null,
    choices: null,
    error_type: 'BadRequestError',
    error_message: MESSAGE,
    status_code: 400,
  }),
  'a flat message': data({ message: MESSAGE, code: 400, type: 'invalid_request_error' }),
  'a detail': data({ detail: MESSAGE }),
  'an event of type error': data({
    type: 'error',
    error: { type: 'invalid_request_error', message: MESSAGE },
  }),
  'an event of type error with a flat message': data({
    type: 'error',
    code: 'invalid_prompt',
    message: MESSAGE,
  }),
  'an event named error': `event: error\n${data({ code: 'InvalidParameter', message: MESSAGE, request_id: 'r' })}`,
  'an event named error with plain text': `event:error\ndata:Bad request: ${MESSAGE}\n\n`,
  'a field named error': `error: ${JSON.stringify(ERROR)}\n\n`,
  'JSON without data:': `${JSON.stringify({ error: ERROR })}\n\n`,
  'JSON without data:, on several lines': `${JSON.stringify({ error: ERROR }, null, 2)}\n`,
};

const ALL = ['chat', 'messages', 'generate-content', 'responses'] as const satisfies Wire[];

test.for(ALL)(
  'an error inside a stream over %s fails the answer and keeps its text, in every form',
  async (wire) => {
    const outcomes: Record<string, unknown> = {};
    for (const [name, form] of Object.entries(FORMS)) {
      const events = [PIECES[wire].text('Half'), form, 'data: [DONE]\n\n'];
      const { text, error } = await askWire(wire, eventStream(events));
      outcomes[name] = [codeOf(error), text];
    }
    const expected = Object.keys(FORMS).map((name) => [name, ['CONTEXT_TOO_LONG', 'Half']]);
    expect(outcomes).toEqual(Object.fromEntries(expected));
  },
);

test.for(ALL)('an error in one document in place of a stream over %s fails the answer', async (wire) => {
  for (const document of [{ error: ERROR }, [{ error: ERROR }], { detail: MESSAGE, status_code: 400 }]) {
    for (const type of ['application/json', 'text/event-stream', 'text/plain']) {
      const response = { headers: { 'content-type': type }, body: JSON.stringify(document) };
      expect(codeOf((await askWire(wire, response)).error)).toBe('CONTEXT_TOO_LONG');
    }
  }
});

test('a limit that a server speaks of inside a stream is one', async () => {
  const said = `event:error\n${data({ code: 'Throttling.RateQuota', message: 'Requests rate limit exceeded.' })}`;
  expect(codeOf((await askWire('chat', eventStream([said]))).error)).toBe('RATE_LIMITED');
});

test('a person reads why an answer failed in the middle, and keeps what came before', async () => {
  await using wires = await startWires();
  for (const name of ['error_type beside null choices', 'a field named error', 'JSON without data:']) {
    const answer = await wires.ask('custom', (response) =>
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end(`${PIECES.custom.text('Half')}${FORMS[name]}data: [DONE]\n\n`),
    );
    expect(answer).toMatchObject({ status: 'FAILED', code: 'CONTEXT_TOO_LONG', text: 'Half' });
  }
}, 60_000);
