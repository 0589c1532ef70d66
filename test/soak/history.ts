import type { Fault } from "./ledger.ts";

/** Something that happened, and what it was about. */
export interface Happening {
  readonly text: string;
  readonly packet?: number;
  readonly sid?: string;
  readonly room?: string;
  /** The room whose members were moved. */
  readonly of?: string;
  /** The packet that says to them that they were. */
  readonly before?: number;
}

interface Told extends Happening {
  readonly ms: number;
}

interface Part {
  readonly packets: ReadonlySet<number>;
  readonly from: number;
}

/** What happened in a play, in its order. */
export interface History {
  note(happening: Happening): void;
  /** A packet was sent to these rooms. */
  sent(packet: number, rooms: readonly string[]): void;
  /** Returns the shortest part that explains a fault, one happening a line. */
  explain(fault: Fault): string[];
  /** Returns what explains whether a session is in a room. */
  explainRoom(sid: string, room: string): string[];
  /** Forgets what is older than the time that an explanation may need. */
  trim(): void;
}

const LINES_MAX = 80;
const HAPPENINGS_MAX = 50_000;
/** What happened so long before a packet was sent may have to do with it. */
const BEFORE_MS = 3000;

/** Returns a history in which nothing has happened. */
export function createHistory(): History {
  const began = performance.now();
  let all: Told[] = [];
  const roomsOf = new Map<number, readonly string[]>();
  const now = () => performance.now() - began;

  /** The life of some sessions, as far as it has to do with some rooms, and mishaps since `from`. */
  function tell(sids: readonly string[], rooms: ReadonlySet<string>, more: Part): string[] {
    const first = all.findIndex(({ sid }) => sids.includes(sid ?? ""));
    const isMeant = ({ packet, sid, of, room, ms }: Told) => {
      if (packet !== undefined) return more.packets.has(packet);
      if (of !== undefined && !rooms.has(of) && !sids.includes(of)) return false;
      if (sid !== undefined && !sids.includes(sid)) return false;
      return room === undefined ? ms > more.from : rooms.has(room);
    };
    // A move that was asked for before a session was known may be of it all the same.
    const lines = all.filter((each, at) => (at >= first || each.of) && isMeant(each));
    return lines.slice(-LINES_MAX).map(({ ms, text }) => `${ms.toFixed(0)} ms: ${text}`);
  }

  /** Those too whose members were moved to one of them. */
  function withSources(rooms: Iterable<string>): Set<string> {
    const found = new Set(rooms);
    for (const { of, room } of all) if (of && room && found.has(room)) found.add(of);
    return found;
  }

  return {
    note: (happening) => void all.push({ ...happening, ms: now() }),
    sent: (packet, rooms) => void roomsOf.set(packet, rooms),
    explain({ packets, sids }) {
      const about = new Set(packets);
      const rooms = withSources(packets.flatMap((n) => roomsOf.get(n) ?? []));
      const first = all.find(({ packet }) => packet !== undefined && about.has(packet));
      return tell(sids, rooms, { packets: about, from: (first?.ms ?? now()) - BEFORE_MS });
    },
    explainRoom(sid, room) {
      const rooms = withSources([room]);
      const packets = new Set<number>();
      for (const { of, before } of all) {
        if (of && before && (rooms.has(of) || of === sid)) packets.add(before);
      }
      return tell([sid], rooms, { packets, from: now() - 10 * BEFORE_MS });
    },
    trim() {
      const end = now() - 10 * BEFORE_MS;
      all = all.filter(({ ms, room }) => ms > end || room !== undefined).slice(-HAPPENINGS_MAX);
      if (roomsOf.size > HAPPENINGS_MAX) roomsOf.clear();
    },
  };
}
