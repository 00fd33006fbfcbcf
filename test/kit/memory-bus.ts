import type { Bus, BusListener, BusRecord } from '../../src/bus/bus.ts';

/** A bus between the servers of one process, which a test can break. */
export interface MemoryBusHub {
  /** The bus for one more server. */
  join(): Bus;
  /** From now on nothing arrives, and no server notices by itself. */
  cut(): void;
  restore(): void;
  /** Decides about each record after how many milliseconds it arrives: never, once, or several times. */
  fate: (record: BusRecord) => readonly number[];
  /** How many records were sent, by their first word. */
  counts: Map<string, number>;
}

export function startMemoryBus(): MemoryBusHub {
  const members = new Map<string, Member>();
  let isCut = false;
  const hub: MemoryBusHub = {
    fate: () => [0],
    counts: new Map(),
    join() {
      const member: Member = { serverId: '', listeners: [] };
      let announced: [topic: string, ids: readonly string[]][] = [];
      return {
        get isUp() {
          return !isCut;
        },
        setServerId(serverId) {
          members.delete(member.serverId);
          member.serverId = serverId;
          members.set(serverId, member);
        },
        listen: (listener) => member.listeners.push(listener),
        announce(topic, ids) {
          announced.push([topic, ids]);
          if (announced.length > 1) return;
          // Those of one moment arrive together, as in one message of Redis.
          setImmediate(() => {
            const together = announced;
            announced = [];
            const others = [...members.values()].filter((each) => each !== member);
            for (const other of others)
              deliver(other, (each) => {
                for (const announcement of together) each.onAnnounced?.(...announcement);
              });
          });
        },
        send(serverId, record) {
          // As a network does, which knows no objects.
          const copy = JSON.parse(JSON.stringify(record)) as BusRecord;
          const other = members.get(serverId);
          if (other === undefined) return;
          hub.counts.set(copy[0], (hub.counts.get(copy[0]) ?? 0) + 1);
          for (const delayMs of hub.fate(copy))
            deliver(other, (each) => each.onRecord?.(member.serverId, copy), delayMs);
        },
        async close() {
          members.delete(member.serverId);
        },
      };
    },
    cut() {
      isCut = true;
    },
    restore() {
      isCut = false;
      for (const member of members.values()) deliver(member, (each) => each.onGap?.());
    },
  };

  function deliver(member: Member, tell: (listener: Partial<BusListener>) => void, delayMs = 0): void {
    const arrive = () => {
      if (!isCut) for (const listener of member.listeners) tell(listener);
    };
    if (delayMs === 0) setImmediate(arrive);
    else setTimeout(arrive, delayMs);
  }
  return hub;
}

interface Member {
  serverId: string;
  listeners: Partial<BusListener>[];
}
