/** Functions of a process that its parent calls by name. What they take and give goes through JSON. */
export type Calls = Record<string, (input: never) => unknown>;

export type Reply<Result> = { id: number; result: Result } | { id: number; failure: string };

/** Answers the calls of the parent process, and ends with it. */
export function answerCalls(calls: Calls): void {
  process.on('message', ({ id, name, input }: { id: number; name: string; input: never }) => {
    const reply = (message: Reply<unknown>) => process.send?.(message);
    Promise.try(() => calls[name]?.(input)).then(
      (result) => reply({ id, result }),
      (error: unknown) => reply({ id, failure: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}
