import { randomUUID } from 'node:crypto';

/** A server-sent event that has data only. */
export function dataFrame(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** A server-sent event named after the `type` in its data. */
export function typedFrame<Event extends { type: string }>(value: Event): string {
  return `event: ${value.type}\n${dataFrame(value)}`;
}

/** A fresh id in a provider's style: its prefix and 32 hexadecimal digits. */
export function freshId(prefix: string): string {
  return prefix + randomUUID().replaceAll('-', '');
}

/** Now, in whole seconds since 1970, as most providers write times. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** A padding text whose length changes from event to event, as providers add it to hide the length of tokens. */
export function padding(turn: number): string {
  return 'aB3dE5fG7hJ9kL'.slice(0, 2 + ((turn * 5) % 11));
}
