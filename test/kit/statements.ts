import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** The texts of all statements that are sent to any database until it is disposed of, in their order. */
export function recordStatements(): { texts: string[] } & Disposable {
  const texts: string[] = [];
  const record = (message: unknown) => {
    texts.push((message as { text: string }).text);
  };
  subscribe('latchkey:statement', record);
  return { texts, [Symbol.dispose]: () => unsubscribe('latchkey:statement', record) };
}
