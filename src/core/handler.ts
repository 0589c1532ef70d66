/** Kinds of application code, the label of `sluice_handler_errors_total{kind}`. */
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
  "http",
  "process",
] as const;
/** One of {@link HANDLER_KINDS}. */
export type HandlerKind = (typeof HANDLER_KINDS)[number];

/** Called with what the application's code threw or rejected with, and where. */
export type HandlerFailed = (
  error: unknown,
  place: {
    readonly kind: HandlerKind;
    /** Name of the event, which may come from a client. */
    readonly event?: string | symbol | undefined;
    readonly namespace?: string | undefined;
    /** Id of the socket, or of the connection if there is no socket. */
    readonly socket?: string | undefined;
  },
) => void;

/** Calls a function of the application. Calls `failed` if it throws, or if its promise rejects. */
export function callSafely(call: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = call();
    if (isThenable(result)) result.then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}

/** Whether a value is a promise, or like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
