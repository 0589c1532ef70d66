import { FailureError } from "../core/failures.ts";
import { messageOf } from "../core/message-of.ts";
import { spellBytes } from "../core/value.ts";

/** Values as msgpack; `codec/` has one. */
export interface Packer {
  encode(value: unknown): Buffer;
  /** Throws for bytes that are not one value within the codec's bounds. */
  decode(bytes: Buffer): unknown;
}

/** How a body is written. */
export type Media = "json" | "msgpack" | "ndjson";

/** The media types of the docs, by how they are written. */
export const MEDIA_TYPES = {
  json: "application/json",
  msgpack: "application/msgpack",
  ndjson: "application/x-ndjson",
} as const;

const BY_TYPE: ReadonlyMap<string, Media> = new Map([
  ["application/json", "json"],
  ["text/json", "json"],
  ["application/msgpack", "msgpack"],
  ["application/x-msgpack", "msgpack"],
  ["application/vnd.msgpack", "msgpack"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
]);

/** Returns how a body of this `Content-Type` is written; `undefined` when that is not known here. */
export function readMedia(contentType: string | undefined): Media | undefined {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith("charset="));
  // ASCII is UTF-8 as well.
  if (charset !== undefined && !/^charset="?(utf-?8|us-ascii)"?$/.test(charset)) return undefined;
  const name = type.trim();
  return BY_TYPE.get(name) ?? (/^[\w.-]+\/[\w.-]+\+json$/.test(name) ? "json" : undefined);
}

/** Returns how an answer is to be written: as `Accept` asks, else as the request was. */
export function chooseMedia(accept: string | undefined, asked: Media): "json" | "msgpack" {
  if (accept?.includes("msgpack")) return "msgpack";
  if (accept?.includes("json")) return "json";
  return asked === "msgpack" ? "msgpack" : "json";
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Returns the value a body holds; throws API_BAD_BODY with what is wrong where. */
export function readValue(body: Buffer, media: Media, packer: Packer): unknown {
  try {
    return media === "msgpack" ? packer.decode(body) : JSON.parse(UTF8.decode(body));
  } catch (cause) {
    const why = messageOf(cause);
    throw new FailureError("API_BAD_BODY", why.slice(0, 200), { cause });
  }
}

/**
 * Returns a value as the body of an answer. Throws COMMANDS_FAILED for one that cannot be written:
 * the application's own `socket.data` may hold a bigint, or itself.
 */
export function writeValue(value: unknown, media: "json" | "msgpack", packer: Packer): Payload {
  const headers = { "content-type": MEDIA_TYPES[media] };
  try {
    const body = media === "msgpack" ? packer.encode(value) : JSON.stringify(spellBytes(value));
    return { headers, body };
  } catch (cause) {
    const why = messageOf(cause);
    throw new FailureError("COMMANDS_FAILED", why, { cause });
  }
}

/** A body and its type. */
export interface Payload {
  readonly headers: { readonly "content-type": string };
  readonly body: string | Buffer;
}
