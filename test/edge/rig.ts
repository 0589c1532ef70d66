import { Webhook } from "standardwebhooks";
import { SECRET } from "../harness/function.ts";

/** The socket of {@link event}. */
export const SOCKET = { id: "s1", namespace: "/", userId: "u", data: {} };
/** Types of the calls that tests make. */
export const TYPES = {
  connect: "io.sluice.connect",
  event: "io.sluice.event",
  disconnect: "io.sluice.disconnect",
} as const;

/** What is said of a call beside its body. */
export interface CallOptions {
  readonly id?: string;
  readonly type?: string;
  readonly secret?: string;
  readonly at?: number;
  readonly headers?: Record<string, string>;
}

/** A call as a gateway would make it, signed by the standardwebhooks package. */
export function call(body: unknown, options: CallOptions = {}): Request {
  const { id = "evt_1", type = TYPES.event, secret = SECRET, at = Date.now(), headers } = options;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return new Request("https://fn.example/call", {
    method: "POST",
    body: text,
    headers: {
      "content-type": "application/json",
      "ce-id": id,
      "ce-type": type,
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at / 1000)),
      "webhook-signature": new Webhook(secret).sign(id, new Date(at), text),
      ...headers,
    },
  });
}

/** The body of a call for an event. */
export const event = (name: string, args: unknown[] = [], ack = true) => ({
  socket: SOCKET,
  event: name,
  args,
  ack,
});
