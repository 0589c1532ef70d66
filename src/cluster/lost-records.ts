import { type LeasedSocket, readRecord, recordName, writeRecord } from "./leased-socket.ts";
import type { RedisLink } from "./redis.ts";

/** What nodes that are gone have written down of their sockets. */
export interface LostRecords {
  /** Resolves with the sockets of a node by the names of their records; undefined where none is. */
  recall(node: string, names: readonly string[]): Promise<(LeasedSocket | undefined)[]>;
  /** Writes a socket down again as it is now, if it is still written down. */
  revise(node: string, socket: LeasedSocket): Promise<void>;
}

/** KEYS: the records of a node. ARGV: name, record. */
const REVISE = `
if redis.call("HEXISTS", KEYS[1], ARGV[1]) == 1 then redis.call("HSET", KEYS[1], ARGV[1], ARGV[2]) end
`;

/** Returns the records of sockets that other nodes had; `prefix` is that of the lease's keys. */
export function openLostRecords(
  { link, prefix }: { readonly link: RedisLink; readonly prefix: string },
  dataCharsMax: number,
): LostRecords {
  const keyOf = (node: string) => `${prefix}sockets:${node}`;
  return {
    async recall(node, names) {
      if (names.length === 0) return [];
      const texts = await link.ask((client) => client.hmget(keyOf(node), ...names));
      return texts.map((text) => (text === null ? undefined : readRecord(text)));
    },
    async revise(node, socket) {
      const given = [recordName(socket), writeRecord(socket, dataCharsMax)];
      await link.ask((client) => client.eval(REVISE, 1, keyOf(node), ...given));
    },
  };
}
