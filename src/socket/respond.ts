import { STATUS_CODES } from "node:http";
import type { FailureCode } from "../core/failures.ts";
import { type IncomingRequest, namesNoSession } from "../host/request.ts";
import type { SafeResponse } from "../host/response.ts";
import type { Connection, TakePacket } from "./connection.ts";

/**
 * Decides who may connect and how much they may send. Without a door, everyone may connect and send
 * anything.
 */
export interface Door {
  /**
   * Returns why a request is refused, or undefined. Called once per request, before a connection
   * exists. `first`: it asks for a new connection. Behind a trusted proxy it sets the request's
   * `remoteAddress` to the client's address.
   */
  admit(request: IncomingRequest, first: boolean): Refusal | undefined;
  /**
   * Checks the limits on open connections again, just before an admitted request becomes a
   * connection. Others may have connected while a middleware or `allowRequest` ran.
   */
  recheck(request: IncomingRequest): Refusal | undefined;
  /** Returns the CORS headers of a response. */
  headers(request: IncomingRequest): ResponseHeaders;
  /**
   * Returns the CORS headers of the response to an OPTIONS request. Undefined if OPTIONS is handled
   * as any other method.
   */
  preflight(request: IncomingRequest): ResponseHeaders | undefined;
  /** Called when a connection was opened. Returns its rate limits; undefined if it has none. */
  opened(connection: Connection): TakePacket | undefined;
  /** Called when a connection entered its first namespace. */
  joined(connection: Connection): void;
  /** Called for every open connection about once a second, from a timer. May close it. */
  check(connection: Connection): void;
  /** Called when a connection was closed. */
  closed(connection: Connection): void;
}

/** How a refused request is answered. */
interface Refusal {
  readonly code: FailureCode;
  readonly status: number;
  readonly message: string;
  readonly retryAfterS?: number;
}

type ResponseHeaders = readonly (readonly [string, string])[];

// Keep error bodies out of caches, and keep browsers from reading them as another type.
const SECURITY: ResponseHeaders = [
  ["Cache-Control", "no-store"],
  ["X-Content-Type-Options", "nosniff"],
];

/** Ends a response as engine.io does: with a JSON object of a code and a message, or no body. */
export function respond(
  res: SafeResponse,
  status: string,
  {
    body,
    headers = [],
  }: {
    readonly body?: { readonly code: number | string; readonly message: string };
    readonly headers?: ResponseHeaders;
  },
): void {
  // A middleware may have sent headers before it failed; the status can no longer be changed.
  if (res.headersSent) {
    res.end();
    return;
  }
  res.writeStatus(status);
  for (const [name, value] of headers) res.setHeader(name, value);
  if (body === undefined) {
    res.end();
    return;
  }
  for (const [name, value] of SECURITY) res.setHeader(name, value);
  res.setHeader("Content-Type", "application/json");
  res.end(JSON.stringify(body));
}

/** A response, and the counters of refusals by reason. */
interface Refusing {
  readonly res: SafeResponse;
  readonly refused: Record<string, number>;
}

/** A request that the door checks. */
interface AtDoor extends Refusing {
  readonly door: Door;
  readonly request: IncomingRequest;
  /** Whether it asks for a WebSocket. */
  readonly upgrade: boolean;
}

/**
 * Runs the door's checks on a request. Returns true if the request has been answered: refused and
 * counted, or a CORS preflight.
 */
export function respondAtDoor(at: AtDoor): boolean {
  const { door, request, res } = at;
  const refusal = door.admit(request, namesNoSession(request._query));
  // A browser applies no CORS to WebSockets, so a handshake that is accepted needs no such headers.
  if (refusal || !at.upgrade)
    for (const [name, value] of door.headers(request)) res.setHeader(name, value);
  if (respondRefusal(at, refusal)) return true;
  const preflight = request.method === "OPTIONS" ? door.preflight(request) : undefined;
  if (!preflight) return false;
  respond(res, "204 No Content", { headers: preflight });
  return true;
}

/** Answers and counts a refusal of the door. Returns false if there is none. */
export function respondRefusal(at: Refusing, refusal: Refusal | undefined): boolean {
  if (!refusal) return false;
  const { code, status, message, retryAfterS } = refusal;
  const reason = code.toLowerCase();
  at.refused[reason] = (at.refused[reason] ?? 0) + 1;
  const headers: ResponseHeaders =
    retryAfterS === undefined ? [] : [["Retry-After", String(retryAfterS)]];
  respond(at.res, `${status} ${STATUS_CODES[status] ?? "Refused"}`, {
    body: { code, message },
    headers,
  });
  return true;
}
