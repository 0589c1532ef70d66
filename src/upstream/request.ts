import type { FailureCode } from "../core/failures.ts";
import type { CloudEvent } from "./cloud-event.ts";
import type { Failed } from "./outcome.ts";
import type { Route } from "./routes.ts";

/** How a call that somebody waits for ended. */
export type Reply =
  | { readonly ok: true; readonly body: Buffer }
  | { readonly ok: false; readonly failed: Failed };

/** One event on its way to a function. */
export interface Item {
  readonly event: CloudEvent;
  readonly route: Route;
  readonly path: string;
  readonly bytes: number;
  /** When somebody stops waiting for it, by the monotonic clock; `undefined` when nobody waits. */
  readonly deadline: number | undefined;
  /** Told the reply once, when somebody waits; returns why an answer cannot be read. */
  readonly tell: ((reply: Reply) => FailureCode | undefined) | undefined;
  /** It is tried once, though nobody waits for it; told why it failed, if it did. */
  readonly replayed: ((failed: Failed | undefined) => void) | undefined;
  /** Told once that it is over, however it ended. */
  readonly done?: (() => void) | undefined;
  attempts: number;
  /** It was told its reply, or given up. */
  over: boolean;
  timer: NodeJS.Timeout | undefined;
  /** Takes it out of the line it stands in. */
  leave: (() => void) | undefined;
}

/** What goes out in one request: one event, or a batch of them. */
export interface CallRequest {
  /** The `webhook-id`: the same in every attempt. */
  readonly id: string;
  readonly batch: boolean;
  readonly items: readonly Item[];
  readonly route: Route;
  readonly path: string;
  /** It is tried once, though nobody waits for it. */
  readonly once: boolean;
  attempts: number;
}
