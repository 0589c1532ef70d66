import { CLOSES, type CloseReason } from "../core/closes.ts";
import { zeros } from "../core/zeros.ts";
import type { EnginePacketType } from "../seam/engine-io.ts";

/** Why a handshake or upgrade request was refused before a connection existed for it. */
export const REFUSALS = [
  "unknown_transport",
  "unknown_session",
  "bad_method",
  "bad_request",
  "forbidden",
  "bad_protocol",
  "draining",
  // Refusals of the door: its failure codes in lower case.
  "origin_forbidden",
  "overloaded",
  "limit_connections",
  "limit_polling",
  "limit_outside",
  "limit_address_connections",
  "limit_handshakes",
  "limit_address_handshakes",
  "limit_query",
  "limit_headers",
] as const;
/** One of {@link REFUSALS}. */
export type RefusalReason = (typeof REFUSALS)[number];

const PACKET_TYPES = "open close ping pong message upgrade noop error".split(
  " ",
) as EnginePacketType[];

/** The keys of {@link SocketSamples.connections}: joining them took 1 % of a handshake. */
export const CONNECTION_KEYS = {
  polling: { json: "polling json", msgpack: "polling msgpack", unknown: "polling unknown" },
  websocket: { json: "websocket json", msgpack: "websocket msgpack", unknown: "websocket unknown" },
} as const;
type Keys = (typeof CONNECTION_KEYS)["polling" | "websocket"];
type ConnectionKey = Keys[keyof Keys];

/** Everything `socket/` counts, as plain numbers: counting costs one addition. */
export interface SocketSamples {
  /** Open connections by transport and codec. */
  readonly connections: Record<ConnectionKey, number>;
  readonly opened: Record<"polling" | "websocket", number>;
  readonly closed: Record<CloseReason, number>;
  readonly refused: Record<string, number>;
  readonly received: Record<EnginePacketType, number>;
  readonly sent: Record<EnginePacketType, number>;
  upgraded: number;
  receivedBytes: number;
  sentBytes: number;
  drains: number;
  pressured: number;
  /** Connections that are not read from now, and how often that began. */
  paused: number;
  pauses: number;
  /** Bytes queued or unsent in user space, over all connections, when last checked. */
  heldBytes: number;
  /** The most bytes one connection holds, as of the last tick. */
  heldBytesMax: number;
  volatileDropped: number;
  /** Bytes received of packets and payloads that are not complete yet. */
  inboundBytes: number;
}

/** Returns samples in which every known label exists from the start, at 0. */
export function createSamples(): SocketSamples {
  const { polling, websocket } = CONNECTION_KEYS;
  return {
    connections: zeros([...Object.values(polling), ...Object.values(websocket)]),
    opened: { polling: 0, websocket: 0 },
    closed: zeros(Object.keys(CLOSES) as CloseReason[]), // the keys of CLOSES are its reasons
    refused: zeros(REFUSALS),
    received: zeros(PACKET_TYPES),
    sent: zeros(PACKET_TYPES),
    upgraded: 0,
    receivedBytes: 0,
    sentBytes: 0,
    drains: 0,
    pressured: 0,
    paused: 0,
    pauses: 0,
    heldBytes: 0,
    heldBytesMax: 0,
    volatileDropped: 0,
    inboundBytes: 0,
  };
}
