import { describeError } from './error-body.ts';
import type { JsonObject } from './json.ts';

/**
 * Whether an event inside a stream of status 200 says that the answer failed, in any of the forms that servers have for it: an
 * envelope `error`, `error_type` beside `choices: null`, a type or a name `error`, or a flat message in place of an answer.
 */
export function isErrorEvent(event: JsonObject, name?: string): boolean {
  if (name === 'error' || event.type === 'error' || event.object === 'error') return true;
  if (event.error || event.error_type || event.error_message) return true;
  const isAnswer =
    event.choices || event.candidates || event.output || /^response\./.test(String(event.type));
  return !isAnswer && describeError(event).message !== null;
}
