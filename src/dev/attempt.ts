import { isUtf8 } from "node:buffer";
import { CALL_TYPES, type CallKind } from "../core/call.ts";
import { isRecord } from "../core/tagged-json.ts";

/** One attempt of a call, as it went over the wire; in JSON, a line of a recording. */
export interface Attempt {
  /** Its number in the recording, from 1. */
  readonly call: number;
  /** The `webhook-id`. */
  readonly id: string;
  /** How often this run had seen the id, this time included. */
  readonly attempt: number;
  /** When it was sent, in ISO 8601. */
  readonly at: string;
  /** Where it was sent. */
  readonly url: string;
  /** Headers by their names in lower case, without the signature. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body exactly as it was sent; it is JSON. */
  readonly body: string;
  /** Until the answer had come whole, or the attempt had failed; in milliseconds. */
  readonly ms: number;
  /** What was answered; left out when nothing was. */
  readonly answer?: AttemptAnswer;
  /** Why nothing, or not all, was answered. */
  readonly failed?: string;
}

/** What a function answered. */
export interface AttemptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The body, inflated; of what is no UTF-8, its base64 instead. */
  readonly body?: string;
  readonly base64?: string;
}

/** Returns a body as an answer holds it. */
export function writeBody(bytes: Buffer): Pick<AttemptAnswer, "body" | "base64"> {
  return isUtf8(bytes) ? { body: bytes.toString("utf8") } : { base64: bytes.toString("base64") };
}

/**
 * Returns the attempt in a line of a recording, or a sentence that says what is wrong with the
 * line. Of the answer nothing is looked at.
 */
export function readAttempt(line: string): Attempt | string {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch {
    return "is not JSON";
  }
  if (!isRecord(given)) return "is not an object";
  const { call, id, attempt, at, url, headers, body } = given;
  if (!Number.isSafeInteger(call)) return "has no `call`, which is the number of a recorded call";
  if (typeof id !== "string" || !/^\S{1,256}$/.test(id)) return "has an `id` that is none";
  if (!Number.isSafeInteger(attempt)) return "has no `attempt`, which is a number";
  if (typeof at !== "string") return "has no `at`, which is a time";
  if (typeof url !== "string" || !URL.canParse(url)) return "has a `url` that is none";
  if (!isRecord(headers) || !Object.values(headers).every((one) => typeof one === "string")) {
    return "has no `headers`, which are texts by name";
  }
  if (typeof body !== "string") return "has no `body`, which is a text";
  return given as unknown as Attempt; // the members that are read were just looked at
}

/** What a call tells of itself in its headers and body. */
export interface CallSummary {
  readonly kind: CallKind | "batch" | "unknown";
  /** The parsed body; of a batch, a list of events. */
  readonly data: unknown;
}

/** Returns what kind of call an attempt made, and its parsed body. */
export function summarize({ headers, body }: Pick<Attempt, "headers" | "body">): CallSummary {
  const data = parse(body);
  if (Array.isArray(data)) return { kind: "batch", data };
  return { kind: KINDS.find((kind) => CALL_TYPES[kind] === headers["ce-type"]) ?? "unknown", data };
}

const KINDS = Object.keys(CALL_TYPES) as CallKind[]; // the keys are nothing else

/** Returns parsed JSON, or undefined for text that is none. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
