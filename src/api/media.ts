import { FailureError, messageOf } from "../core/failures.ts";
import type { RouteResponse } from "../core/http.ts";
import { replaceUnsendable, writeTaggedJson } from "../core/value.ts";

/** Writes and reads values as msgpack; made by `codec/`. */
export interface Packer {
  encode(value: unknown): Buffer;
  /** Throws for bytes that are not exactly one value within the bounds of `codec.*`. */
  decode(bytes: Buffer): unknown;
}

/** The format of a body. */
export type Media = "json" | "msgpack" | "ndjson";

/** The media type of each format that the docs name and responses have. */
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

/** Returns the format that a `Content-Type` names; `undefined` for one that is not supported. */
export function readMedia(contentType: string | undefined): Media | undefined {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith("charset="));
  // ASCII text is valid UTF-8.
  if (charset !== undefined && !/^charset="?(utf-?8|us-ascii)"?$/.test(charset)) return undefined;
  const name = type.trim();
  return BY_TYPE.get(name) ?? (/^[\w.-]+\/[\w.-]+\+json$/.test(name) ? "json" : undefined);
}

/** Returns the format of a response: what `Accept` asks for, else the format of the request. */
export function chooseMedia(accept: string | undefined, asked: Media): "json" | "msgpack" {
  if (accept?.includes("msgpack")) return "msgpack";
  if (accept?.includes("json")) return "json";
  return asked === "msgpack" ? "msgpack" : "json";
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Returns the value in a body. Throws API_BAD_BODY that says what is wrong and where. */
export function readValue(body: Buffer, media: Media, packer: Packer): unknown {
  try {
    return media === "msgpack" ? packer.decode(body) : JSON.parse(UTF8.decode(body));
  } catch (cause) {
    const why = messageOf(cause);
    throw new FailureError("API_BAD_BODY", why.slice(0, 200), { cause });
  }
}

/**
 * Returns a value as the body of a response. The application's `socket.data` may hold what cannot
 * be written, such as a bigint or a cycle. An `Unsendable` then replaces it, and the rest of the
 * list is written. Throws COMMANDS_FAILED when that fails too.
 */
export function writeValue(
  value: unknown,
  media: "json" | "msgpack",
  packer: Packer,
): Required<Pick<RouteResponse, "headers" | "body">> {
  const headers = { "content-type": MEDIA_TYPES[media] };
  const write = media === "msgpack" ? packer.encode : writeTaggedJson;
  try {
    return { headers, body: write(value) };
  } catch {
    // Written again below, part by part.
  }
  try {
    return { headers, body: write(withoutUnsendable(value, write)) };
  } catch (cause) {
    const why = messageOf(cause);
    throw new FailureError("COMMANDS_FAILED", why, { cause });
  }
}

/**
 * Returns results in which an `Unsendable` replaces each member of a listed socket or
 * acknowledgement that `write` throws for.
 */
export function withoutUnsendable(value: unknown, write: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutUnsendable(one, write));
  // `value` is one result of a command, or the document of another route.
  const result = { ...(value as { sockets?: object[]; answers?: object[] }) };
  for (const list of ["sockets", "answers"] as const) {
    const items = result[list];
    if (items) result[list] = items.map((item) => replaceUnsendable(item, write));
  }
  return result;
}
