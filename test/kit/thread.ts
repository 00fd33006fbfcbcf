import type { Person } from './person.ts';

/** A thread as the document `create-thread` gives it. */
export interface CreatedThread {
  id: string;
  title: string;
  visibility: string;
  revision: number;
}

/** Creates a thread in the person's own workspace. */
export async function newThread(person: Person, more: object = {}): Promise<CreatedThread> {
  const input = { workspaceId: person.workspaceId, ...more };
  return (await person.run<{ thread: CreatedThread }>('create-thread', { input })).thread;
}
