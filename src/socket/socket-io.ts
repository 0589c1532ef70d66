/**
 * The door to socket.io: the private members Sluice sets or reads, typed here and nowhere else.
 */
import { createRequire } from "node:module";
import type { Namespace, Server, Socket } from "socket.io";
import type { Connection } from "./connection.ts";

/** A Socket.IO parser: the two classes a server makes its encoder and decoders of. */
export interface Parser {
  readonly Encoder: new () => unknown;
  readonly Decoder: new () => unknown;
}

interface ServerInside {
  _parser: Parser;
  encoder: unknown;
  readonly opts: Record<string, unknown>;
  readonly _nsps: Map<string, Namespace>;
}

interface ClientInside {
  readonly conn: Connection;
  writeToEngine(packets: unknown, options: { volatile?: boolean }): void;
}

const MEMBERS = ["_parser", "encoder", "opts", "_nsps", "_connectTimeout"] as const;

// The cast opens private members of socket.io 4.8.4; the check right below proves they are there.
function openServer(io: Server): ServerInside {
  const missing = MEMBERS.filter((member) => !(member in io));
  if (missing.length > 0) {
    const require = createRequire(import.meta.url);
    const { version } = require("socket.io/package.json") as { version: string };
    throw new Error(`socket.io ${version} lacks ${missing.join(", ")}; Sluice is made for 4.8.4`);
  }
  return io as unknown as ServerInside;
}

/** Returns the options a server was constructed with. */
export function readOptions(io: Server): Readonly<Record<string, unknown>> {
  return openServer(io).opts;
}

/** Makes a server, and the adapters it already has, speak through `parser`; returns the undoing. */
export function setParser(io: Server, parser: Parser): () => void {
  const inside = openServer(io);
  const before = { parser: inside._parser, encoder: inside.encoder };
  const use = (next: typeof before): void => {
    inside._parser = next.parser;
    inside.encoder = next.encoder;
    for (const namespace of inside._nsps.values()) {
      // Adapters took the encoder when they were made.
      (namespace.adapter as unknown as { encoder: unknown }).encoder = next.encoder;
    }
  };
  use({ parser, encoder: new parser.Encoder() });
  return () => use(before);
}

/** Calls `seen` for every namespace there is and will be; returns the undoing. */
export function eachNamespace(io: Server, seen: (namespace: Namespace) => void): () => void {
  for (const namespace of openServer(io)._nsps.values()) seen(namespace);
  io.on("new_namespace", seen);
  return () => void io.off("new_namespace", seen);
}

/** Calls `dropped` for each volatile packet that Socket.IO discards on this socket's connection. */
export function watchVolatile(socket: Socket, dropped: () => void): void {
  const client = socket.client as unknown as ClientInside; // checked by the call below on first use
  if (Object.hasOwn(client, "writeToEngine")) return;
  const write = client.writeToEngine;
  client.writeToEngine = function watched(packets, options) {
    if (options.volatile && !this.conn.transport.writable) dropped();
    write.call(this, packets, options);
  };
}
