import type { Frame } from "../core/packet.ts";
import type { EngineTransportBase } from "./engine-io.ts";

/** Whether a poll, or a payload, is still under way: one of each at a time (protocol v4). */
export function isBusy(transport: EngineTransportBase, method: string): boolean {
  if (method === "GET") return transport.req != null;
  return method === "POST" && transport.dataReq != null;
}

/**
 * Makes a long-polling transport take a payload packet by packet, and stop when one of them ended
 * its connection. Decoded as a whole first, a payload of two-byte packets would cost fifty times
 * its bytes before the first of them was looked at.
 */
export function readPayloadsLazily(transport: EngineTransportBase): EngineTransportBase {
  if (transport.protocol === 4) transport.onData = takePayload;
  return transport;
}

const SEPARATOR = "\x1e";

function takePayload(this: EngineTransportBase, data: Frame): void {
  const payload = data.toString();
  // A connection that is closing keeps its transport for the client's next poll.
  for (let from = 0; this.readyState === "open" && this.owner?.readyState === "open"; ) {
    const at = payload.indexOf(SEPARATOR, from);
    const packet = this.parser.decodePacket(payload.slice(from, at < 0 ? undefined : at));
    if (packet.type === "close") this.onClose();
    else this.onPacket(packet);
    if (at < 0 || packet.type === "error") return;
    from = at + 1;
  }
}
