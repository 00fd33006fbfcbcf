/** A connection that something is done for at regular times. */
export interface Beating {
  beat(): void;
}

/**
 * Calls each of many connections once in every period, with one timer for all of them. They are spread over the period in the
 * order in which they came, so that thousands do not write in the same moment.
 */
export class Heartbeats {
  readonly #slots: Set<Beating>[];
  readonly #stepMs: number;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(periodMs: number) {
    this.#stepMs = periodMs / SLOTS;
    this.#slots = Array.from({ length: SLOTS }, () => new Set());
  }

  /** Calls a connection a period from now for the first time. */
  add(connection: Beating): void {
    this.#slots[this.#turn]?.add(connection);
    this.#count += 1;
    this.#timer ??= setInterval(() => this.#step(), this.#stepMs);
  }

  remove(connection: Beating): void {
    if (!this.#slots.some((slot) => slot.delete(connection))) return;
    this.#count -= 1;
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #step(): void {
    this.#turn = (this.#turn + 1) % SLOTS;
    for (const connection of this.#slots[this.#turn] ?? []) connection.beat();
  }
}

const SLOTS = 12;
