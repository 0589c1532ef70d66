import type { Server } from "socket.io";
import { FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import { describe, mask } from "./masks.ts";
import type { EventStream } from "./streams.ts";
import { type WatchedEvent, watchSockets } from "./tap.ts";

/** What {@link serveWatch} needs. */
export interface WatchNeeds {
  readonly io: Server;
  /** Opens the stream. Throws CONSOLE_TOO_MANY_STREAMS. */
  open(): EventStream | undefined;
  readonly isAllowed: boolean;
}

/**
 * Answers with a stream of the events of one socket or room of this node: `event`, and every second
 * `state` with how many sockets are watched and how many events were left out so far. Left out are
 * those above `watchPerSecondMax` in a second, and those that a slow reader has no room for.
 */
export function serveWatch(
  settings: Settings["console"],
  { io, open, isAllowed }: WatchNeeds,
  words: string,
): number | undefined {
  if (!isAllowed) throw new FailureError("CONSOLE_WATCH_OFF");
  const query = new URLSearchParams(words);
  const target = {
    namespace: query.get("namespace") ?? "/",
    id: query.get("id") ?? undefined,
    room: query.get("room") ?? undefined,
  };
  let left = settings.watchPerSecondMax;
  let dropped = 0;
  const watched = watchSockets(io, target, (event) => {
    const isSent = left > 0 && stream?.send("event", showEvent(event, settings.watchArguments));
    if (isSent) left--;
    else dropped++;
  });
  if (!watched) throw new FailureError("CONSOLE_NO_SOCKET", "at this node");
  const stream = openOrStop(open, watched.stop);
  if (!stream) return undefined;
  const tell = (): void => {
    left = settings.watchPerSecondMax;
    stream.send("state", { sockets: watched.count(), dropped });
  };
  tell();
  const timer = setInterval(tell, 1000);
  stream.onEnd(() => {
    clearInterval(timer);
    watched.stop();
  });
  return 200;
}

function openOrStop(open: WatchNeeds["open"], stop: () => void) {
  try {
    const stream = open();
    if (!stream) stop();
    return stream;
  } catch (error) {
    stop();
    throw error;
  }
}

function showEvent(
  { direction, event, args, id, sockets }: WatchedEvent,
  how: Settings["console"]["watchArguments"],
): object {
  const shown = args.map((arg) => {
    if (typeof arg === "function") return "(acknowledgement)";
    return how === "masked" ? `(${describe(arg)})` : mask(arg);
  });
  return { at: Date.now(), direction, event, args: shown, id, sockets };
}
