import { z } from "zod";
import { choice, flag, list, ms, text, whole } from "./field.ts";

const DAY_MS = 86_400_000;

/** Connections: where they come in, how much each may hold, when they go. */
export const socket = z.strictObject({
  host: text("0.0.0.0", "Address the gateway listens on."),
  port: whole(3000, 0, 65_535, "Port the gateway listens on; 0 picks a free one."),
  path: z
    .string()
    .regex(/^\/[\w\-./]*$/)
    .default("/socket.io/")
    .describe("URL path of the Socket.IO endpoint."),
  transports: z
    .array(z.enum(["polling", "websocket"]))
    .min(1)
    .default(["polling", "websocket"])
    .describe("Transports clients may use."),
  allowEio3: flag(false, "Whether Engine.IO 3 clients (Socket.IO 2) may connect."),
  pingIntervalMs: ms(25_000, 100, DAY_MS, "Time between two heartbeats."),
  pingTimeoutMs: ms(20_000, 100, DAY_MS, "How long a heartbeat may stay unanswered."),
  upgradeTimeoutMs: ms(10_000, 100, 600_000, "How long an upgrade from polling may take."),
  connectTimeoutMs: ms(
    45_000,
    100,
    600_000,
    "How long a connection may stay outside every namespace.",
  ),
  packetBytesMax: whole(
    1_000_000,
    1024,
    100_000_000,
    "Largest packet a client may send, in bytes.",
  ),
  bufferBytesMax: whole(
    1_048_576,
    16_384,
    1_073_741_824,
    "Unsent bytes above which a connection is closed as slow_consumer.",
  ),
  stallMsMax: ms(
    10_000,
    100,
    3_600_000,
    "How long a pressured connection may drain nothing before it is closed as slow_consumer.",
  ),
  drainMs: ms(
    10_000,
    0,
    3_600_000,
    "Time over which a stop closes the connections, in jittered waves.",
  ),
  connectionAgeMaxMs: ms(
    0,
    0,
    30 * DAY_MS,
    "Age at which a connection is closed so that its client reconnects; 0 is off, and up to a tenth less is taken at random.",
  ),
  cors: list(
    [],
    "Origins that CORS answers allow; `*` is every origin, empty is same-origin only.",
  ),
  compression: choice(["off", "shared"], "off", "permessage-deflate for WebSocket messages."),
});
