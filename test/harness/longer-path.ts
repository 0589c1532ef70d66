/**
 * Has every connection of this process take the longer path of each packet, because somebody
 * listens. Tests that a file imports after this one then run without any of the shorter ones.
 */
import type { EventEmitter } from "node:events";
import { GatewayEngine } from "../../src/socket/engine.ts";

const noop = () => {};

/** Adds listeners that do nothing to an engine and its connections: none may make a difference. */
export function watchEngine(engine: EventEmitter): void {
  engine.on("connection", (conn: EventEmitter & { transport: EventEmitter }) => {
    for (const event of ["packet", "data", "packetCreate", "flush", "drain"]) conn.on(event, noop);
    for (const event of ["packet", "drain", "ready"]) conn.transport.on(event, noop);
  });
  for (const event of ["flush", "drain"]) engine.on(event, noop);
}

/** Watches every engine that is attached from now on. */
export function watchEngines(): void {
  const { attach } = GatewayEngine.prototype;
  GatewayEngine.prototype.attach = function watched(...given) {
    watchEngine(this);
    attach.apply(this, given);
  };
}
