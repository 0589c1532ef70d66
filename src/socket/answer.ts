import { STATUS_CODES } from "node:http";
import type { SafeResponse } from "../host/response.ts";
import type { Door, DoorHeaders, Refusal } from "./door.ts";
import type { EngineRequest } from "./engine-io.ts";

// An error's words must not be taken for a page, kept, or shown in a frame.
const SECURITY: DoorHeaders = [
  ["Cache-Control", "no-store"],
  ["X-Content-Type-Options", "nosniff"],
];

/** Answers in engine.io's own form: a JSON object with a code and a message; or without a body. */
export function answer(
  res: SafeResponse,
  status: string,
  body: { code: number | string; message: string } | undefined,
  headers: DoorHeaders = [],
): void {
  // A middleware may have begun an answer before it failed: nothing is left to say then.
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

/** Whom the door looks at, and where its refusals are counted. */
export interface AtDoor {
  readonly door: Door;
  readonly request: EngineRequest;
  readonly res: SafeResponse;
  readonly refused: Record<string, number>;
}

/**
 * Lets the door look at a request; returns whether it was answered here: refused and counted, or a
 * preflight.
 */
export function answerAtDoor(at: AtDoor): boolean {
  const { door, request, res } = at;
  for (const [name, value] of door.headers(request)) res.setHeader(name, value);
  if (answerRefusal(at, door.admit(request))) return true;
  const preflight = request.method === "OPTIONS" ? door.preflight(request) : undefined;
  if (!preflight) return false;
  answer(res, "204 No Content", undefined, preflight);
  return true;
}

/** Answers and counts what the door refuses; returns whether it refused. */
export function answerRefusal(at: AtDoor, refusal: Refusal | undefined): boolean {
  if (!refusal) return false;
  const { code, status, message, retryAfterS } = refusal;
  const reason = code.toLowerCase();
  at.refused[reason] = (at.refused[reason] ?? 0) + 1;
  const headers: DoorHeaders =
    retryAfterS === undefined ? [] : [["Retry-After", String(retryAfterS)]];
  answer(at.res, `${status} ${STATUS_CODES[status] ?? "Refused"}`, { code, message }, headers);
  return true;
}
