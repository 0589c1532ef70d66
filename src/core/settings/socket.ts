import * as z from "zod/mini";
import { field, flag, integer, list, ms, secret, section, text, urlPath } from "./field.ts";

const DAY_MS = 86_400_000;

const tls = z.strictObject({
  certFile: text("", "File with the certificate and its chain, in PEM; with it the port is TLS."),
  keyFile: text("", "File with the certificate's private key, in PEM."),
  passphrase: secret("Passphrase of the private key."),
});

/** The section `socket`; its sentence is in `SETTINGS`. */
export const socket = z.strictObject({
  host: text("0.0.0.0", "Address the gateway listens on."),
  port: integer(3000, 0, 65_535, "Port the gateway listens on; 0 picks a free one."),
  path: urlPath("/socket.io/", "URL path of the Socket.IO endpoint."),
  serveClient: flag(false, "Whether the client's bundles are served below socket.path."),
  transports: field(
    z.array(z.enum(["polling", "websocket"])).check(z.minLength(1)),
    ["polling", "websocket"],
    "Transports clients may use.",
  ),
  allowEio3: flag(false, "Whether Engine.IO 3 clients (Socket.IO 2) may connect."),
  pingIntervalMs: ms(25_000, 100, DAY_MS, "Time between two heartbeats."),
  pingTimeoutMs: ms(20_000, 100, DAY_MS, "How long a heartbeat may stay unanswered."),
  upgradeTimeoutMs: ms(10_000, 100, 600_000, "How long an upgrade from polling may take."),
  connectTimeoutMs: ms(
    45_000,
    100,
    600_000,
    "How long a connection may be in no namespace before it is closed; checked once a second.",
  ),
  packetBytesMax: integer(
    1_000_000,
    1024,
    100_000_000,
    "Largest packet a client may send, in bytes.",
  ),
  bufferBytesMax: integer(
    1_048_576,
    16_384,
    1_073_741_824,
    "Unsent bytes above which a connection is closed as slow_consumer.",
  ),
  stallMsMax: ms(
    10_000,
    100,
    3_600_000,
    "How long a connection may send none of its unsent bytes before it is closed as slow_consumer.",
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
  origins: list(
    [],
    "Origins of other hosts whose pages may connect, by CORS and by WebSocket: `https://a.example`, `https://*.a.example`, `*` for all.",
  ),
  originless: flag(
    true,
    "Whether clients that send no Origin header may connect; browsers always send one.",
  ),
  trustProxy: list(
    [],
    "Proxies whose X-Forwarded-For is trusted: CIDRs, `loopback`, `private`; or one number of hops.",
  ),
  proxyProtocol: flag(
    false,
    "Whether the PROXY protocol v2 names the client's address; only behind a proxy that always sends it.",
  ),
  forwardedHost: flag(
    false,
    "Whether a page's origin is compared with X-Forwarded-Host instead of Host.",
  ),
  tls: section(
    tls,
    "TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS.",
  ),
});
