import * as z from "zod/mini";
import { choice, integer } from "./field.ts";

const rate = (byDefault: number, text: string) => integer(byDefault, 0, 1_000_000_000, text);

/** The section `limits`; its sentence is in `SETTINGS`. */
export const limits = z.strictObject({
  connectionsMax: integer(1_000_000, 1, 10_000_000, "Open connections of this process."),
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
    "Open connections that have joined no namespace yet. Each may hold an unfinished message of up to socket.packetBytesMax.",
  ),
  handshakesPerSecond: rate(5000, "Handshakes per second, from all clients."),
  handshakesBurst: rate(10_000, "Handshakes that may come at once, from all clients."),
  addressHandshakesPerSecond: rate(1000, "Handshakes per second and client address."),
  addressHandshakesBurst: rate(5000, "Handshakes per client address that may come at once."),
  addressesMax: integer(
    100_000,
    16,
    10_000_000,
    "Client addresses whose handshake rate is tracked; the least recently seen is dropped first.",
  ),
  queryBytesMax: integer(2048, 64, 65_536, "Longest URL query of a request, in bytes."),
  queryParametersMax: integer(
    100,
    8,
    10_000,
    "Parameters in a request's query. While the connection is open, each takes many times its bytes in memory.",
  ),
  headerBytesMax: integer(
    16_384,
    256,
    1_048_576,
    "Total size of a request's header names and values, in bytes.",
  ),
  eventsPerSecond: rate(1000, "Packets per second and connection."),
  eventsBurst: rate(10_000, "Packets per connection that may come at once."),
  bytesPerSecond: rate(8_388_608, "Bytes per second and connection."),
  bytesBurst: rate(67_108_864, "Bytes per connection that may come at once."),
  overRate: choice(
    ["refuse", "close"],
    "refuse",
    "What happens above a rate. refuse: each event is refused, and the connection is closed once it is a whole burst above. close: the connection is closed at once.",
  ),
  roomsMax: integer(1000, 1, 1_000_000, "Rooms one socket may be in, besides its own."),
  roomBytesMax: integer(256, 8, 65_536, "Longest name of a room, in UTF-8 bytes."),
  namespacesMax: integer(
    10,
    1,
    10_000,
    "Namespaces that one connection may have joined or be joining.",
  ),
  dynamicNamespacesMax: integer(
    10_000,
    1,
    10_000_000,
    "Namespaces of this process. At this number, clients cannot create more by connecting to a new name.",
  ),
  acksPendingMax: integer(
    10_000,
    1,
    10_000_000,
    "Acknowledgements that one socket may still have to send; above, its connection is closed.",
  ),
});
