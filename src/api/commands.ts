import type { Apply } from "../core/apply.ts";
import { CODINGS } from "../core/body.ts";
import type { Command, CommandName, CommandResult } from "../core/command.ts";
import { BadCommand, readCommand, readCommands } from "../core/commands.ts";
import { FAILURES, type FailureCode, FailureError } from "../core/failures.ts";
import { type Exchange, problemOf, type RouteResponse } from "../core/http.ts";
import type { LetterFilter } from "../core/journal.ts";
import type { TraceContext } from "../core/trace.ts";
import type { Bodies, Sender } from "./bodies.ts";
import { checkGranted, type Grant } from "./grants.ts";
import { carryOutOnce, type Idempotency } from "./idempotency.ts";
import { chooseMedia, type Media, type Packer, readMedia, readValue, writeValue } from "./media.ts";

/** What the routes share. */
export interface Shared {
  readonly apply: Apply;
  /** Lists the rooms of a namespace; resolves with `undefined` when it does not exist. */
  rooms(
    namespace: string,
    page: { limit: number; after?: string | undefined },
  ): Promise<
    | { readonly items: readonly { room: string; sockets: number }[]; readonly next?: string }
    | undefined
  >;
  /** Set when there is an upstream. */
  readonly deadLetters?: DeadLetters | undefined;
  readonly bodies: Bodies;
  readonly idempotency: Idempotency;
  readonly packer: Packer;
  /** Returns why commands cannot be carried out now; `undefined` when they can. */
  ready(): FailureCode | undefined;
}

/** A row of the settings by which calls find their function. */
export interface FunctionRoute {
  readonly name: string;
  /** Its URL, without a query. */
  readonly url: string;
  /** `gone`: its function has answered 410, and is not called for a while. */
  readonly state: "open" | "gone";
}

/** Calls to functions that were given up after their last attempt, and the routes of all. */
export interface DeadLetters {
  routes(): readonly FunctionRoute[];
  /** Has routes called again whose functions were gone; returns how many of these were. */
  revive(names: readonly string[]): number;
  /** Lists those that match, oldest first, beginning after a page's `next`. */
  list(
    page: LetterFilter & { readonly limit: number; readonly after?: string | undefined },
  ): Promise<{ readonly items: readonly unknown[]; readonly next?: string | undefined }>;
  /**
   * Makes the calls of these ids again; without `ids`, of all dead letters that match. Ids that are
   * not there are ignored. Of those `replayed`, `delivered` succeeded; the others are dead letters
   * again.
   */
  replay(
    wanted: LetterFilter & { readonly ids?: readonly string[] | undefined },
  ): Promise<{ readonly replayed: number; readonly delivered: number }>;
}

/** Sent with 503: the client may retry after one second. */
const RETRY_AFTER = { "retry-after": "1" };

/** Returns the response for a failure. With status 503 it says when to retry. */
export function responseOfFailure(code: FailureCode, detail?: string): RouteResponse {
  const headers: Record<string, string> = {};
  if (FAILURES[code].status === 503) Object.assign(headers, RETRY_AFTER);
  if (code === "API_UNAUTHENTICATED") headers["www-authenticate"] = "Bearer";
  // RFC 9110, 15.5.16: name the encodings that are accepted.
  if (code === "API_BAD_ENCODING") headers["accept-encoding"] = CODINGS;
  // Close after a body that was too slow: its rest would be read as the next request.
  return problemOf(code, { detail, headers, close: code === "API_BODY_TOO_SLOW" });
}

/** Returns the response for a thrown failure. Rethrows what is not a failure of the table. */
export function responseOfError(error: unknown): RouteResponse {
  if (error instanceof BadCommand) {
    const { index, path, bound } = error;
    return problemOf(error.code, { detail: error.detail, members: { index, path, bound } });
  }
  if (error instanceof FailureError) return responseOfFailure(error.code, error.detail);
  throw error;
}

/** How a route takes commands. */
interface CommandRoute {
  readonly grant: Grant | Promise<Grant>;
  /** Set on the route of one command. */
  readonly name?: CommandName;
  /** The request, for traces. */
  readonly parent: TraceContext | undefined;
  /** Called with commands that are granted, before they are carried out. */
  told?(commands: readonly Command[], grant: Grant): void;
}

/**
 * Returns the response to a request whose body is one command or a list of them. All commands are
 * read and checked against the grant before the first is carried out.
 */
export async function serveCommands(
  exchange: Exchange,
  { grant, name, parent, told }: CommandRoute,
  shared: Shared,
): Promise<RouteResponse | undefined> {
  const media = readMedia(exchange.headers["content-type"]);
  if (media === undefined || media === "ndjson") throw new FailureError("API_BAD_TYPE");
  const { body, granted } = await readBody(exchange, grant, shared.bodies);
  if (body === undefined) return undefined;
  const request: CommandRequest = { exchange, body, media, grant: granted, name, parent, told };
  const key = exchange.headers["idempotency-key"];
  if (key === undefined) return carryOut(request, shared);
  if (key.length < 1 || key.length > 255) throw new FailureError("API_BAD_IDEMPOTENCY_KEY");
  const identity = { caller: granted.id, key, path: exchange.path, media, body };
  const outcome = await carryOutOnce(shared.idempotency, identity, async () => {
    try {
      return await carryOut(request, shared);
    } catch (error) {
      return responseOfError(error);
    }
  });
  if ("refused" in outcome) return responseOfFailure(outcome.refused);
  const { response, repeated } = outcome;
  return repeated
    ? { ...response, headers: { ...response.headers, "idempotent-replayed": "true" } }
    : response;
}

/**
 * Resolves with the whole body and the grant. Until the grant is there, the body takes one of the
 * places for senders that are still being checked. Call it before the handler returns, or the first
 * chunk is lost.
 */
export async function readBody(
  exchange: Exchange,
  grant: Grant | Promise<Grant>,
  bodies: Bodies,
): Promise<{ readonly body: Buffer | undefined; readonly granted: Grant }> {
  const reading = bodies.read(exchange, senderOf(grant));
  try {
    const granted = await grant;
    reading.known();
    return { body: await reading.body, granted };
  } finally {
    reading.cancel();
  }
}

/** Keys and remembered tokens give a grant at once. Only other tokens are still being checked. */
export function senderOf(grant: Grant | Promise<Grant>): Sender {
  return grant instanceof Promise ? "checking" : "known";
}

interface CommandRequest {
  readonly exchange: Exchange;
  readonly body: Buffer;
  readonly media: Exclude<Media, "ndjson">;
  readonly grant: Grant;
  readonly name: CommandName | undefined;
  readonly parent: TraceContext | undefined;
  readonly told: CommandRoute["told"];
}

async function carryOut(request: CommandRequest, shared: Shared): Promise<RouteResponse> {
  const { exchange, media, name, grant } = request;
  const value = readValue(request.body, media, shared.packer);
  const single = name !== undefined || !Array.isArray(value);
  const commands = single
    ? [readCommand(name === undefined ? value : named(value, name), media)]
    : readCommands(value, media);
  checkGranted(grant, commands);
  const unready = shared.ready();
  if (unready) return responseOfFailure(unready);
  request.told?.(commands, grant);
  const results = await shared.apply(commands, "api", request.parent);
  const wanted = chooseMedia(exchange.headers.accept, media);
  const [first] = results;
  if (!single || first === undefined) {
    return { status: 200, ...writeValue(results, wanted, shared.packer) };
  }
  return responseOfResult(first, (result) => writeValue(result, wanted, shared.packer));
}

function responseOfResult(
  result: CommandResult,
  write: (result: CommandResult) => object,
): RouteResponse {
  if (result.ok) return { status: 200, ...write(result) };
  const code = result.code as FailureCode; // fan-out refuses with codes of the table only
  return responseOfFailure(code, result.detail);
}

// The route names the command, so a `do` in the body must agree with it.
function named(value: unknown, name: CommandName): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return "do" in value && value.do !== name
    ? { ...value, do: `${String(value.do)} on the route of ${name}` }
    : { do: name, ...value };
}
