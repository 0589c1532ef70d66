import type { CloseReason } from "../core/closes.ts";
import type { CloseDetails } from "./websocket.ts";

/** Returns the close reason of a connection that engine.io or the client closed. */
export function readReason(reason: string, description: unknown): CloseReason {
  if (reason === "transport close") {
    const { code, reason: text } = (description as CloseDetails | undefined)?.context ?? {};
    if (code !== 1006) return "client_closed";
    // uWebSockets.js reports a frame it refused as 1006, with a text that says what was wrong.
    return text?.startsWith("Received TCP FIN") || !text ? "connection_lost" : "bad_frame";
  }
  if (reason === "ping timeout") return "ping_timeout";
  if (reason === "parse error") return "bad_packet";
  return "transport_error";
}

/** Timers may fire this much too early. */
const TIMER_SLACK_MS = 5;

/**
 * Returns the close reason of a connection that never joined a namespace and was closed by this
 * server. Socket.IO gives its connect timeout and a close by the application the same reason
 * ("forced close"), so the age decides.
 */
export function readForced(ageMs: number, timeoutMs: number): CloseReason {
  return ageMs >= timeoutMs - TIMER_SLACK_MS ? "connect_timeout" : "server_closed";
}

/** Returns the text that the log adds to a close reason; empty if there is none. */
export function describeClose(description: unknown): string {
  if (description instanceof Error) return description.message;
  return (description as CloseDetails | undefined)?.description ?? "";
}
