import type { Recipients } from "./adapter.ts";

/** The shapes of recipients that broadcasts are counted by. */
export const SHAPES = [
  "namespace",
  "namespace_except",
  "room",
  "room_except",
  "rooms",
  "rooms_except",
] as const;
/** One of {@link SHAPES}; a broadcast to a socket's id is one to a room. */
export type Shape = (typeof SHAPES)[number];

/** Everything `fanout/` counts, as plain numbers. */
export interface FanoutSamples {
  /** Broadcasts by shape, those without a recipient included. */
  readonly broadcasts: Record<Shape, number>;
  /** Packets handed to recipients: a broadcast to N adds N, however it travels. */
  deliveries: number;
  /** Engine.IO messages published to topics, counted per recipient; the rest `socket/` counts. */
  framesOut: number;
  /** Their bytes, without framing. */
  bytesOut: number;
  /** Sockets served packet by packet at present: polling, Engine.IO 3, or under pressure. */
  slow: number;
  /** Unions of rooms that have a topic of their own at present. */
  unionTopics: number;
  /** Memberships of those topics. */
  unionMembers: number;
  /** Acknowledgements of broadcasts and `emitWithAck` commands that are still awaited. */
  acksPending: number;
  /** Acknowledgements that were awaited in vain: until the timeout, or their socket had left. */
  acksMissed: number;
  /**
   * Broadcasts and commands with acknowledgement not sent, because too many were awaited already.
   */
  acksRefused: number;
}

/** Returns samples in which everything is 0. */
export function createSamples(): FanoutSamples {
  return {
    broadcasts: {
      namespace: 0,
      namespace_except: 0,
      room: 0,
      room_except: 0,
      rooms: 0,
      rooms_except: 0,
    },
    deliveries: 0,
    framesOut: 0,
    bytesOut: 0,
    slow: 0,
    unionTopics: 0,
    unionMembers: 0,
    acksPending: 0,
    acksMissed: 0,
    acksRefused: 0,
  };
}

/** Returns the shape of a broadcast's recipients. */
export function shapeOf(to: Recipients): Shape {
  const whole = to.rooms.size === 0 ? "namespace" : to.rooms.size === 1 ? "room" : "rooms";
  return to.except && to.except.size > 0 ? `${whole}_except` : whole;
}
