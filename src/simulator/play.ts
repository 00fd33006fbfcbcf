import type { Outlet } from './outlet.ts';
import type { AnswerFrames } from './provider.ts';
import type { Script } from './script.ts';

/** Lets a held answer go on, one step at a time; an answer that is not held never asks. */
export interface Gate {
  pass(): Promise<void>;
}

const KEEPALIVE_EVERY_TOKENS = 25;
const YIELD_EVERY_TOKENS = 16; // at pace 0 no other call would have a turn
const HUGE_LENGTH = 2 * 1024 * 1024;
const SLICE_BYTES = 64 * 1024;
const BURST_EVENTS = 40;
const FLOOD_TEXT = 'All work and no play makes an endless answer. '.repeat(20);

/** Plays an answer to its end, or to where its fault ends it. Rejects when the client goes before that. */
export async function playAnswer(
  outlet: Outlet,
  script: Script,
  frames: AnswerFrames,
  gate: Gate,
): Promise<void> {
  const send = sender(outlet, script);
  if (script.fault === 'error-first') {
    await send(frames.failure(true));
    return outlet.end();
  }
  await send(frames.opening(script.tokens));
  for (const [block, tokens] of script.reasoning.entries()) {
    for (const token of tokens) {
      await keepPace(outlet, script, 1);
      await send(frames.reasoning(token, block));
    }
  }
  await send(frames.sources(script.sources));

  const half = Math.ceil(script.text.length / 2);
  for (const [index, token] of script.text.entries()) {
    if (index === half && (await breakOff(outlet, script, frames)) === 'over') return;
    if (script.fault === 'held') await gate.pass();
    else await keepPace(outlet, script, index);
    await send(frames.text(token));
    if (index % KEEPALIVE_EVERY_TOKENS === 0) await send(frames.keepalive());
  }
  if (script.text.length <= half && (await breakOff(outlet, script, frames)) === 'over') return;

  if (script.fault === 'held') await gate.pass();
  await send(frames.ending(script.end, script.tokens));
  await send(null);
  outlet.end();
}

/** Applies a fault in the middle of an answer; `over` if the answer ends with it. */
async function breakOff(outlet: Outlet, script: Script, frames: AnswerFrames): Promise<'over' | 'goes-on'> {
  switch (script.fault) {
    case 'cut':
      // One turn of the event loop, so that the text so far is sent before the reset.
      await outlet.pause(1);
      outlet.cut();
      return 'over';
    case 'eof':
      outlet.end();
      return 'over';
    case 'stall':
      await outlet.stall();
      return 'over';
    case 'error':
      for (const frame of frames.failure(false)) await outlet.write(frame);
      outlet.end();
      return 'over';
    case 'flood':
      await flood(outlet, frames);
      return 'over';
    case 'garbage':
      for (const piece of GARBAGE) await outlet.write(piece);
      return 'goes-on';
    case 'huge':
      await writeHuge(outlet, frames.text('a'.repeat(HUGE_LENGTH)).join(''));
      return 'goes-on';
    default:
      return 'goes-on';
  }
}

async function flood(outlet: Outlet, frames: AnswerFrames): Promise<void> {
  for (let count = 1; ; count += 1) {
    for (const frame of frames.text(FLOOD_TEXT)) await outlet.write(frame);
    if (count % YIELD_EVERY_TOKENS === 0) await outlet.pause(0);
  }
}

async function writeHuge(outlet: Outlet, event: string): Promise<void> {
  for (let start = 0; start < event.length; start += SLICE_BYTES) {
    await outlet.write(event.slice(start, start + SLICE_BYTES));
  }
}

async function keepPace(outlet: Outlet, script: Script, index: number): Promise<void> {
  if (script.paceMs > 0 || index % YIELD_EVERY_TOKENS === 0) await outlet.pause(script.paceMs);
}

/** Sends events in the chunks that the fault asks for; null sends what a burst still holds back. */
function sender(outlet: Outlet, script: Script): (frames: string[] | null) => Promise<void> {
  if (script.fault === 'crlf') {
    return async (frames) => {
      for (const frame of frames ?? []) await outlet.write(withCrlf(frame));
    };
  }
  if (script.fault === 'split') {
    return async (frames) => {
      for (const slice of smallSlices(Buffer.from(withCrlf((frames ?? []).join(''))))) {
        await outlet.write(slice);
        // A client that reads late is handed several chunks as one, which would undo the cuts.
        await outlet.pause(0);
      }
    };
  }
  if (script.fault === 'burst') {
    let kept: string[] = [];
    return async (frames) => {
      kept.push(...(frames ?? []));
      if (frames && kept.length < BURST_EVENTS) return;
      const burst = kept.join('');
      kept = [];
      if (burst) await outlet.write(burst);
    };
  }
  return async (frames) => {
    for (const frame of frames ?? []) await outlet.write(frame);
  };
}

function withCrlf(frame: string): string {
  return frame.replaceAll('\n', '\r\n');
}

/** Slices of 1 to 5 bytes: some end inside a character, some between CR and LF. */
function* smallSlices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0, size = 1; start < bytes.length; start += size, size = (size % 5) + 1) {
    yield bytes.subarray(start, start + size);
  }
}

const GARBAGE: (string | Uint8Array)[] = [
  ': a comment\n\n',
  'id: 7\nretry: 10\nnonsense\n\n',
  'data: {"this is": not JSON\n\n',
  'data: <html>neither is this</html>\n\n',
  Uint8Array.of(0xff, 0xfe, 0x00, 0xc3, 0x28, 0x0a, 0x0a),
];
