import { STATUS_CODES } from "node:http";
import type { Door, DoorHeaders } from "./door.ts";
import type { EngineRequest } from "./engine-io.ts";
import type { SafeResponse } from "./response.ts";

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
  res.cork(() => {
    res.writeStatus(status);
    for (const [name, value] of headers) res.writeHeader(name, value);
    if (body === undefined) {
      res.end();
      return;
    }
    for (const [name, value] of SECURITY) res.writeHeader(name, value);
    // Not chained: with middlewares this is engine.io's wrapper, whose methods return nothing.
    res.writeHeader("Content-Type", "application/json");
    res.end(JSON.stringify(body));
  });
}

/**
 * Lets the door look at a request; returns whether it was answered here: refused and counted, or a
 * preflight.
 */
export function answerAtDoor(
  door: Door,
  request: EngineRequest,
  res: SafeResponse,
  refused: Record<string, number>,
): boolean {
  res.standing = [...door.headers(request)];
  const refusal = door.admit(request);
  if (!refusal) {
    if (request.method !== "OPTIONS") return false;
    answer(res, "204 No Content", undefined, door.preflight(request));
    return true;
  }
  const { code, status, message, retryAfterS } = refusal;
  const reason = code.toLowerCase();
  refused[reason] = (refused[reason] ?? 0) + 1;
  const headers: DoorHeaders =
    retryAfterS === undefined ? [] : [["Retry-After", String(retryAfterS)]];
  answer(res, `${status} ${STATUS_CODES[status] ?? "Refused"}`, { code, message }, headers);
  return true;
}
