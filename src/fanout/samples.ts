import { zeros } from "../core/zeros.ts";
import type { BroadcastOptions } from "../seam/socket-io-adapter.ts";

/** The shapes of recipients that broadcasts are counted by. */
export const SHAPES = [
  "namespace",
  "namespace_except",
  "room",
  "room_except",
  "rooms",
  "rooms_except",
] as const;
/** One of {@link SHAPES}. A broadcast to a socket's id counts as one to a room. */
export type Shape = (typeof SHAPES)[number];

/** The numbers that `fanout/` counts. */
export interface FanoutSamples {
  /** Broadcasts by shape, including those without a recipient. */
  readonly broadcasts: Record<Shape, number>;
  /** Packets delivered: a broadcast to N recipients adds N, through topics or one by one. */
  deliveries: number;
  /** Engine.IO messages published to topics, counted per recipient. `socket/` counts the others. */
  framesOut: number;
  /** Bytes of those messages, without WebSocket framing. */
  bytesOut: number;
  /** Sockets currently served packet by packet: long-polling, Engine.IO 3, or under pressure. */
  slow: number;
  /** Unions of rooms that currently have a topic of their own. */
  unionTopics: number;
  /** Subscriptions to those topics. */
  unionMembers: number;
  /** Pending acks of broadcasts and `emitWithAck` commands. */
  acksPending: number;
  /** Acks that never came: the timeout passed, or the socket left. */
  acksMissed: number;
  /** Broadcasts and commands that were not sent because too many acks were pending. */
  acksRefused: number;
}

/** Returns samples that are all 0. */
export function createSamples(): FanoutSamples {
  return {
    broadcasts: zeros(SHAPES),
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
export function shapeOf(to: BroadcastOptions): Shape {
  const whole = to.rooms.size === 0 ? "namespace" : to.rooms.size === 1 ? "room" : "rooms";
  return to.except && to.except.size > 0 ? `${whole}_except` : whole;
}
