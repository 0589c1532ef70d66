import type { Socket } from "socket.io-client";
import type { About } from "./gateway.ts";

/** How a client of the playground connects. */
export interface Choices {
  readonly namespace: string;
  readonly codec: "msgpack" | "json";
  readonly transport: "websocket" | "polling" | "both";
  readonly auth?: unknown;
}

/** Resolves with a Socket.IO client that connects; its code is loaded now. */
export async function connect(about: About, choices: Choices): Promise<Socket> {
  // Not a literal, so that it stays a file of its own.
  const file = new URL("client.js", import.meta.url).href;
  const { io, msgpack } = (await import(file)) as typeof import("./client.ts");
  const url = new URL(location.origin);
  if (about.clientPort !== undefined) url.port = `${about.clientPort}`;
  const transports = choices.transport === "both" ? ["polling", "websocket"] : [choices.transport];
  return io(new URL(choices.namespace, url).href, {
    path: about.path,
    forceNew: true,
    transports,
    auth: (choices.auth ?? {}) as Record<string, unknown>,
    ...(choices.codec === "msgpack" && { parser: msgpack }),
  });
}

/** Returns the codecs that the gateway takes, its own favourite first. */
export function codecsOf({ codecs }: About): readonly Choices["codec"][] {
  return codecs === "both" ? ["msgpack", "json"] : [codecs];
}

/** Reads what is written in a field as a list of arguments: JSON values, one a line. */
export function readArguments(text: string): unknown[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as unknown);
}

/** Returns a value as text, in at most `charsMax` characters. */
export function show(value: unknown, charsMax = 2000): string {
  const text = JSON.stringify(value, (_, one) =>
    one instanceof ArrayBuffer || ArrayBuffer.isView(one) ? `(${one.byteLength} bytes)` : one,
  );
  return text === undefined ? "undefined" : text.slice(0, charsMax);
}
