import type { CloseReason } from "../core/closes.ts";
import type { CloseDetails } from "./websocket.ts";

/** Returns the row under which a close counts that engine.io or the peer began. */
export function readReason(reason: string, description: unknown): CloseReason {
  if (reason === "transport close") {
    const { code, reason: text } = (description as CloseDetails | undefined)?.context ?? {};
    if (code !== 1006) return "client_closed";
    // uWebSockets.js reports frames it refused as 1006 with its own sentence.
    return text?.startsWith("Received TCP FIN") || !text ? "connection_lost" : "bad_frame";
  }
  if (reason === "ping timeout") return "ping_timeout";
  if (reason === "parse error") return "bad_packet";
  return "transport_error";
}

/** Timers may fire this much before their time. */
const TIMER_SLACK_MS = 5;

/**
 * Returns the row of a connection without a namespace that was closed from this side: Socket.IO
 * does that to one that has been so for too long, in the same words as the application.
 */
export function readForced(ageMs: number, timeoutMs: number): CloseReason {
  return ageMs >= timeoutMs - TIMER_SLACK_MS ? "connect_timeout" : "server_closed";
}

/** Returns what a log says of a close besides its reason. */
export function inWords(description: unknown): string {
  if (description instanceof Error) return description.message;
  return (description as CloseDetails | undefined)?.description ?? "";
}
