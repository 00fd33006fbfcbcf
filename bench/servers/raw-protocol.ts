import type { Prompt } from '../run.ts';

/** What a client of the bare WebSocket server sends. */
export type RawRequest =
  | { type: 'ask'; key: string; prompt: Prompt; models: string[]; isFollowed: boolean }
  | { type: 'watch'; key: string; offset: number };

/** What it receives. `model` names the answer if the socket carries several. */
export type RawFrame =
  | { type: 'asked' }
  | { type: 'delta'; text: string; model?: string }
  | { type: 'end'; model?: string };
