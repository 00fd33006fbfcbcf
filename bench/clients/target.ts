/** Where a client connects to, and as whom. */
export type Target = { kind: 'http-pipe' | 'ai-sdk' | 'raw-ws' | 'stock-yoga'; url: string } | LatchkeyTarget;

export interface LatchkeyTarget {
  kind: 'latchkey';
  url: string;
  people: Person[];
  /** A workspace of all of them. */
  shared: Place;
}

export interface Person {
  token: string;
  /** An address of this machine that their sockets come from, since Latchkey limits what one address may do. */
  address: string;
  /** Their own workspace. */
  personal: Place;
}

/** A workspace and its models: ids by name. */
export interface Place {
  workspaceId: string;
  models: Readonly<Record<string, string>>;
}

/** The person whose turn it is: the clients of a scenario are spread over all people. */
export function personOf({ people }: LatchkeyTarget, turn: number): Person {
  const person = people[turn % people.length];
  if (person === undefined) throw new Error('nobody has signed up');
  return person;
}
