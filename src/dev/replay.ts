import { randomBytes } from "node:crypto";
import { isRecord } from "../core/tagged-json.ts";
import { type Attempt, parse } from "./attempt.ts";
import { describeFailed, send, toAnswer } from "./send.ts";

/** What a replay needs. */
export interface ReplayNeeds {
  /** Where it is sent, if not to where it was sent before. */
  readonly url: string | undefined;
  /** Whether it gets an id that the function does not know. */
  readonly newId: boolean;
  /** Signs an id and a body, as of now. */
  sign(id: string, body: Buffer): { readonly timestamp: string; readonly signature: string };
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

/** Sends a recorded call again, signed anew; resolves with what became of it, and never rejects. */
export async function replay(recorded: Attempt, needs: ReplayNeeds): Promise<Attempt> {
  const { id, headers, body } = needs.newId ? renew(recorded) : recorded;
  const url = needs.url ?? recorded.url;
  const bytes = Buffer.from(body, "utf8");
  const { timestamp, signature } = needs.sign(id, bytes);
  const signed = {
    ...headers,
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  };
  const begunAt = performance.now();
  const base = { ...recorded, id, headers, body, url, at: new Date().toISOString(), attempt: 1 };
  const { answer: _, failed: __, ...sent } = base;
  const msSince = () => Math.round(performance.now() - begunAt);
  const bytesMax = needs.answerBytesMax;
  const signal = AbortSignal.timeout(needs.timeoutMs);
  try {
    const request = { url, headers: Object.entries(signed).flat(), body: bytes };
    const received = await send(request, { bytesMax, signal });
    return { ...sent, ms: msSince(), answer: await toAnswer(received, bytesMax) };
  } catch (error) {
    const late = `nothing within upstream.timeoutMs (${needs.timeoutMs} ms)`;
    return { ...sent, ms: msSince(), failed: signal.aborted ? late : describeFailed(error) };
  }
}

/** Gives a call a new id, and each event of a batch too: by those a function tells repeats. */
function renew({ headers, body, id }: Attempt): Pick<Attempt, "id" | "headers" | "body"> {
  const suffix = `_${randomBytes(6).toString("base64url")}`;
  const data = parse(body);
  const events = Array.isArray(data) ? data : [];
  const fresh = events.map((event: unknown) =>
    isRecord(event) ? { ...event, id: `${event.id}${suffix}` } : event,
  );
  return {
    id: id + suffix,
    headers: { ...headers, ...(headers["ce-id"] !== undefined && { "ce-id": id + suffix }) },
    body: events.length > 0 ? JSON.stringify(fresh) : body,
  };
}
