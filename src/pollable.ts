/**
 * Something that is read step by step and wakes its reader when there may be more: nothing is queued for a slow reader. A
 * step that needs the database is a promise; one that does not costs no turn of the event loop.
 */
export interface Pollable<Event> {
  take(): Polled<Event> | Promise<Polled<Event>>;
  close(): void;
}

/** One step: an event, nothing at the moment, or nothing ever again. */
export type Polled<Event> = { type: 'event'; event: Event } | typeof IDLE | typeof DONE;

export const IDLE = { type: 'idle' } as const;
export const DONE = { type: 'done' } as const;

/** The step that is this event. */
export function polled<Event>(event: Event): Polled<Event> {
  return { type: 'event', event };
}
