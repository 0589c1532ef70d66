import * as z from "zod/mini";
import { field, flag, integer, list, ms, secret, section, text, urlPath } from "./field.ts";

const DAY_MS = 86_400_000;

const tls = z.strictObject({
  certFile: text(
    "",
    "File with the certificate and its chain, in PEM. If set, the port speaks TLS.",
  ),
  keyFile: text("", "File with the certificate's private key, in PEM."),
  passphrase: secret("Passphrase of the private key."),
});

/** The section `socket`; its sentence is in `SETTINGS`. */
export const socket = z.strictObject({
  host: text("0.0.0.0", "Address the gateway listens on."),
  port: integer(3000, 0, 65_535, "Port the gateway listens on; 0 picks a free one."),
  path: urlPath("/socket.io/", "URL path of the Socket.IO endpoint."),
  serveClient: flag(false, "Whether Socket.IO's client bundles are served below socket.path."),
  transports: field(
    z.array(z.enum(["polling", "websocket"])).check(z.minLength(1)),
    ["polling", "websocket"],
    "Transports clients may use.",
  ),
  allowEio3: flag(false, "Whether Engine.IO 3 clients (Socket.IO 2) may connect."),
  pingIntervalMs: ms(25_000, 100, DAY_MS, "Time between two heartbeats."),
  pingTimeoutMs: ms(20_000, 100, DAY_MS, "How long a client may take to answer a heartbeat."),
  upgradeTimeoutMs: ms(10_000, 100, 600_000, "How long an upgrade from polling may take."),
  connectTimeoutMs: ms(
    45_000,
    100,
    600_000,
    "How long a client may take to join its first namespace, before its connection is closed; checked once a second.",
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
    "How long unsent bytes may make no progress before the connection is closed as slow_consumer.",
  ),
  drainMs: ms(
    10_000,
    0,
    3_600_000,
    "Time over which a stopping gateway closes its connections, in waves with jitter.",
  ),
  connectionAgeMaxMs: ms(
    0,
    0,
    30 * DAY_MS,
    "Age at which a connection is closed so that its client reconnects, up to a tenth less at random; 0 turns this off.",
  ),
  origins: list(
    [],
    "Origins of other hosts whose pages may connect, over long-polling (CORS) and WebSocket: `https://a.example`, `https://*.a.example`; `*` allows all.",
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
    "Whether the client's address is taken from the PROXY protocol v2; only behind a proxy that always sends it.",
  ),
  forwardedHost: flag(
    false,
    "Whether Sluice compares a page's origin with X-Forwarded-Host instead of Host.",
  ),
  tls: section(
    tls,
    "TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS.",
  ),
});
