import * as z from "zod/mini";
import { choice, integer } from "./field.ts";

const rate = (byDefault: number, text: string) => integer(byDefault, 0, 1_000_000_000, text);

/** The section `limits`; its sentence is in `SETTINGS`. */
export const limits = z.strictObject({
  connectionsMax: integer(1_000_000, 1, 10_000_000, "Open connections in all."),
  addressConnectionsMax: integer(
    50_000,
    1,
    10_000_000,
    "Open connections per client address (IPv6: per /64).",
  ),
  pollingConnectionsMax: integer(
    100_000,
    1,
    10_000_000,
    "Open long-polling connections; each holds at most two requests.",
  ),
  outsideMax: integer(
    10_000,
    1,
    10_000_000,
    "Open connections in no namespace yet; each may hold socket.packetBytesMax of an unfinished message.",
  ),
  handshakesPerSecond: rate(5000, "Handshakes per second in all."),
  handshakesBurst: rate(10_000, "Handshakes in all that may come at once."),
  addressHandshakesPerSecond: rate(1000, "Handshakes per second and client address."),
  addressHandshakesBurst: rate(5000, "Handshakes per client address that may come at once."),
  addressesMax: integer(
    100_000,
    16,
    10_000_000,
    "Client addresses whose handshake rate is remembered; the least recent is forgotten first.",
  ),
  queryBytesMax: integer(2048, 64, 65_536, "Longest URL query of a request, in bytes."),
  queryParametersMax: integer(
    100,
    8,
    10_000,
    "Parameters a request's query may have; each costs many times its bytes while its connection lives.",
  ),
  headerBytesMax: integer(
    16_384,
    256,
    1_048_576,
    "Names and values of a request's headers together, in bytes.",
  ),
  eventsPerSecond: rate(1000, "Packets per second and connection."),
  eventsBurst: rate(10_000, "Packets per connection that may come at once."),
  bytesPerSecond: rate(8_388_608, "Bytes per second and connection."),
  bytesBurst: rate(67_108_864, "Bytes per connection that may come at once."),
  overRate: choice(
    ["refuse", "close"],
    "refuse",
    "What a connection over its rate gets: each event refused, or its close; one whole burst over it is closed either way.",
  ),
  roomsMax: integer(1000, 1, 1_000_000, "Rooms one socket may be in, besides its own."),
  roomBytesMax: integer(256, 8, 65_536, "Longest name of a room, in UTF-8 bytes."),
  namespacesMax: integer(10, 1, 10_000, "Namespaces one connection may be in or entering."),
  dynamicNamespacesMax: integer(
    10_000,
    1,
    10_000_000,
    "Namespaces in all; above, clients cannot create more by naming them.",
  ),
  acksPendingMax: integer(
    10_000,
    1,
    10_000_000,
    "Acknowledgements that one socket may be waited on for; above, its connection is closed.",
  ),
});
