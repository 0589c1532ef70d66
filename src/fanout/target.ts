import type { CodecName } from "../core/packet.ts";

/** One uWebSockets.js topic and how many WebSockets are subscribed to it. */
export interface Topic {
  readonly name: string;
  subscribed: number;
  /** Bytes published since its subscribers' unsent bytes were last looked at. */
  unlooked: number;
}

/** What topics stand for, a namespace, a room or a union of rooms: one topic per codec. */
export type Target = Readonly<Record<CodecName, Topic>>;

/** The codecs, in the order in which a broadcast serves them. */
export const CODECS: readonly CodecName[] = ["msgpack", "json"];

let last = 0;

/**
 * Returns a target nobody is subscribed to.
 *
 * Its topics are named by a number that is never used again in this process: nothing a client sends
 * is in a topic's name, and a topic that is gone can't be confused with a later one.
 */
export function createTarget(): Target {
  const name = (++last).toString(36);
  return {
    msgpack: { name: `m${name}`, subscribed: 0, unlooked: 0 },
    json: { name: `j${name}`, subscribed: 0, unlooked: 0 },
  };
}

/** Whether nobody is subscribed to either of its topics. */
export function isDeserted(target: Target): boolean {
  return target.msgpack.subscribed === 0 && target.json.subscribed === 0;
}
