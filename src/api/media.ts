import { FailureError } from "../core/failures.ts";
import { messageOf } from "../core/message-of.ts";
import { replaceUnsendable } from "../core/unsendable.ts";
import { toTaggedJson } from "../core/value.ts";

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

/**
 * Returns how a body of this `Content-Type` is written; `undefined` when that is not known here.
 */
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
 * Returns answers as the body of an answer. The application's own `socket.data` may hold a bigint,
 * or itself: then an `Unsendable` stands for it, and the others are listed. Throws COMMANDS_FAILED
 * for what cannot be written even so.
 */
export function writeValue(value: unknown, media: "json" | "msgpack", packer: Packer): Payload {
  const headers = { "content-type": MEDIA_TYPES[media] };
  const write = media === "msgpack" ? packer.encode : writeJson;
  try {
    return { headers, body: write(value) };
  } catch {
    // Written again below, part by part.
  }
  try {
    return { headers, body: write(withoutUnfit(value, write)) };
  } catch (cause) {
    const why = messageOf(cause);
    throw new FailureError("COMMANDS_FAILED", why, { cause });
  }
}

/** Returns a value as JSON; throws for what has no JSON form. */
export function writeJson(value: unknown): string {
  return JSON.stringify(toTaggedJson(value));
}

/**
 * Returns answers with an `Unsendable` for every part that `write` throws for of what they list: of
 * sockets, and of those who answered.
 */
export function withoutUnfit(value: unknown, write: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutUnfit(one, write));
  // An answer of the API.
  const answer = { ...(value as { sockets?: object[]; answers?: object[] }) };
  for (const list of ["sockets", "answers"] as const) {
    const items = answer[list];
    if (items) answer[list] = items.map((item) => replaceUnsendable(item, write));
  }
  return answer;
}

/** A body and its type. */
export interface Payload {
  readonly headers: { readonly "content-type": string };
  readonly body: string | Buffer;
}
