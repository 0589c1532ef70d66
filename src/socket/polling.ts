import { createByteBuffer } from "../core/body.ts";
import type { Frame } from "../core/packet.ts";
import type { SafeResponse } from "../host/response.ts";
import type { EngineRequest, EngineTransportBase } from "../seam/engine-io.ts";

/** Whether a request of this method is still open: one GET and one POST at a time (protocol v4). */
export function isBusy(transport: EngineTransportBase, method: string): boolean {
  if (method === "GET") return transport.req != null;
  return method === "POST" && transport.dataReq != null;
}

/**
 * Makes a long-polling transport accept payloads with a Content-Length and chunked ones, which some
 * clients send (RFC 9112, section 7.1). The bytes that arrive are bounded, not those announced.
 *
 * A payload is decoded packet by packet, until one of them closes the connection. engine.io decodes
 * the whole payload first; if its packets have two bytes each, that takes fifty times its bytes.
 */
export function takePayloads(transport: EngineTransportBase): EngineTransportBase {
  transport.onDataRequest = takeRequest;
  if (transport.protocol === 4) transport.onData = takePayload;
  return transport;
}

function takeRequest(this: EngineTransportBase, request: EngineRequest, res: SafeResponse): void {
  const bytesMax = this.maxHttpBufferSize ?? 0; // always set by the engine
  const payload = createByteBuffer(bytesMax);
  let held = 0;
  const hold = (bytes: number): void => {
    this.owner?.hold(bytes - held);
    held = bytes;
  };
  const refuse = (status: string, why: string): void => {
    payload.drop();
    hold(0);
    this.dataReq = this.dataRes = null;
    this.onError(why);
    res.writeStatus(status).end();
  };
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) {
    refuse("413 Payload Too Large", "payload too large");
    return;
  }
  const isBinary = request.headers["content-type"] === "application/octet-stream";
  if (isBinary && this.protocol === 4) {
    refuse("400 Bad Request", "invalid content");
    return;
  }
  this.dataReq = request;
  this.dataRes = res;
  res.onAborted(() => {
    hold(0);
    this.dataReq = this.dataRes = null;
    this.onError("data request connection closed prematurely");
  });
  res.onData((chunk, isLast) => {
    hold(isLast ? 0 : held + chunk.byteLength); // the last chunk is read at once
    if (!payload.add(new Uint8Array(chunk))) refuse("413 Payload Too Large", "payload too large");
    else if (isLast) concludeRequest(this, isBinary ? payload.bytes() : payload.bytes().toString());
  });
}

function concludeRequest(transport: EngineTransportBase, payload: Frame): void {
  const { dataReq, dataRes } = transport;
  transport.onData(payload);
  const answer = (): void => {
    if (!dataReq || transport.dataReq !== dataReq) return; // its client has gone
    // The type engine.io answers with; text/html keeps some browsers from offering a download.
    transport.headers(dataReq, { "Content-Type": "text/html" });
    transport.dataReq = transport.dataRes = null;
    dataRes?.end("ok");
  };
  // Socket.IO hands on each event in a tick of its own, and any of them may begin a pause.
  process.nextTick(() => {
    // The client sends no other payload before. While it upgrades, it waits for this one.
    const { owner } = transport;
    if (owner?.pause && !owner.upgrading) owner.pause.after(answer);
    else answer();
  });
}

const SEPARATOR = "\x1e";

function takePayload(this: EngineTransportBase, data: Frame): void {
  const payload = data.toString();
  // Check the connection as well: while it closes, its transport stays open for the next poll.
  for (let from = 0; this.readyState === "open" && this.owner?.readyState === "open"; ) {
    const at = payload.indexOf(SEPARATOR, from);
    const packet = this.parser.decodePacket(payload.slice(from, at < 0 ? undefined : at));
    if (packet.type === "close") this.onClose();
    else this.onPacket(packet);
    if (at < 0 || packet.type === "error") return;
    from = at + 1;
  }
}
