/** Where the application's own code runs, as `sluice_handler_errors_total{kind}` shows it. */
export const HANDLER_KINDS = [
  "event",
  "any",
  "ack",
  "middleware",
  "connection",
  "disconnect",
  "namespace",
  "server_side",
  "room",
  "engine",
  "process",
] as const;
/** One of {@link HANDLER_KINDS}. */
export type HandlerKind = (typeof HANDLER_KINDS)[number];

/** What was called when the application's code failed. */
export interface HandlerPlace {
  readonly kind: HandlerKind;
  /** Name of the event; a client may have chosen it. */
  readonly event?: string | symbol | undefined;
  readonly namespace?: string | undefined;
  /** Id of the socket, or of the connection where there is none. */
  readonly socket?: string | undefined;
}

/** Hears of what the application's code threw, or of what a promise of its rejected with. */
export type HandlerFailed = (error: unknown, place: HandlerPlace) => void;
