import type { Server } from 'node:http';
import inspector from 'node:inspector';
import type { AddressInfo } from 'node:net';
import { answerCalls } from '../process/calls.ts';

/** What the parent process can call in a server of the benchmark. */
export type ServerCalls = {
  url(input: object): Promise<string>;
  /** Opens the inspector. Resolves with where it listens. */
  openInspector(input: object): string;
};

/** Listens on a free port of this machine and sends the parent process its URL. */
export function serveParent(server: Server): void {
  const url = listen(server);
  answerCalls({ url: () => url, openInspector } satisfies ServerCalls);
}

/** Listens on a free port of this machine. Resolves with the URL. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4_096, resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function openInspector(): string {
  if (inspector.url() === undefined) inspector.open(0, '127.0.0.1');
  return inspector.url() ?? '';
}
