import { LONGEST_TEXT, type Reply } from '../reply.ts';
import { BoundedText, textReply, withCommas } from './bounded-text.ts';
import type { DecodedText } from './decode-text.ts';

/** Takes a text as it is, up to the longest that is kept. */
export function readText({ text, isGuessed }: DecodedText): Reply {
  const bounded = new BoundedText();
  if (!bounded.add(text)) {
    const [most, all] = [LONGEST_TEXT, text.length].map(withCommas);
    bounded.leaveOut(`The text is cut here, after at most ${most} of ${all} characters.`);
  }
  return textReply('text', bounded, { notes: isGuessed ? ['ENCODING_GUESSED'] : [] });
}
