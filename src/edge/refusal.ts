/**
 * Thrown by a handler to refuse a client or an event. The client's `connect_error` has its message
 * and `data`; the callback of an event gets them as `error`. A refusal is an answer, so the gateway
 * never retries it. Anything else that is thrown is a failure: the gateway retries the call, unless
 * the client waits for its answer.
 */
export class Refusal extends Error {
  /** What the client's error has as `data`. */
  readonly data: unknown;
  /** Makes a refusal; `data` must be what JSON or msgpack can carry. */
  constructor(message: string, data?: unknown) {
    super(message);
    this.name = "Refusal";
    this.data = data;
  }
}
