import type { ResponseHead } from "../core/http.ts";
import { findHeader, readLength } from "./request.ts";

/** What was read of a response. */
export interface ReadPart {
  /** Its head, if it has ended here. */
  readonly head: ResponseHead | undefined;
  /** What has come of its body. */
  readonly body: readonly Buffer[];
  /** Whether the response has ended. What is written after its end is not read. */
  readonly isWhole: boolean;
}

/** Reads the one response that is written to a connection. */
export interface ResponseReader {
  /** Throws an error for bytes that are no response in HTTP/1.1. */
  read(chunks: readonly Buffer[]): ReadPart;
  /** Whether the end of the connection is the end of the response. */
  endsWithConnection(): boolean;
}

/** A body whose length is told. */
interface Counted {
  readonly step: "counted";
  readonly length: number;
}

/** What the next line is, or of which kind the body is. */
type Step = "status" | "header" | "counted" | "size" | "gap" | "trailer" | "rest" | "over";

/**
 * Returns a reader for what an `http.Server` of Node.js writes in answer to one request. What comes
 * before the response (`103 Early Hints`) and its trailers are skipped.
 */
export function createResponseReader(method: string): ResponseReader {
  let step: Step = "status";
  let line = "";
  /** Bytes of the body, or of a chunk of it, that come before the next line. */
  let left = 0;
  let ended: ResponseHead | undefined;
  let head = { status: 0, reason: "", headers: [] as [string, string][] };

  function takeLine(text: string): void {
    switch (step) {
      case "status":
        head = readStatus(text);
        step = "header";
        break;
      case "header":
        if (text === "") endHead();
        else head.headers.push(splitHeader(text));
        break;
      case "size":
        left = readSize(text);
        step = left > 0 ? "gap" : "trailer";
        break;
      case "gap":
        if (text !== "") throw new Error("a chunk of a response is longer than its size");
        step = "size";
        break;
      default:
        if (text === "") step = "over";
    }
  }
  function endHead(): void {
    step = "status";
    if (head.status < 200) return;
    const body = findBody(method, head);
    step = body.step;
    left = body.step === "counted" ? body.length : 0;
    ended = { ...head, length: body.length };
  }
  /** Adds what a chunk has of the body to `body`. */
  function readChunk(chunk: Buffer, body: Buffer[]): void {
    for (let at = 0; at < chunk.length && step !== "over"; ) {
      if (step === "rest") left = chunk.length - at;
      if (left > 0) {
        const part = chunk.subarray(at, at + left);
        body.push(part);
        at += part.length;
        left -= part.length;
        if (step === "counted" && left === 0) step = "over";
        continue;
      }
      const end = chunk.indexOf("\n", at) + 1 || chunk.length;
      line += chunk.toString("latin1", at, end);
      at = end;
      if (!line.endsWith("\n")) continue;
      const text = line.replace(/\r?\n$/, "");
      line = "";
      takeLine(text);
    }
  }
  return {
    read(chunks) {
      const body: Buffer[] = [];
      ended = undefined;
      for (const chunk of chunks) readChunk(chunk, body);
      return { head: ended, body, isWhole: step === "over" };
    },
    endsWithConnection: () => step === "rest",
  };
}

/** Returns how the body of a response is framed, and its length if that is told. */
function findBody(
  method: string,
  { status, headers }: Omit<ResponseHead, "length">,
): { readonly step: "size" | "rest" | "over"; readonly length: number | undefined } | Counted {
  const length = readLength(findHeader(headers, "content-length"));
  // Without a body (RFC 9110, section 6.4.1).
  if (method === "HEAD" || status === 204 || status === 304) return { step: "over", length };
  const isChunked = /\bchunked$/i.test(findHeader(headers, "transfer-encoding") ?? "");
  if (isChunked) return { step: "size", length: undefined };
  if (length === undefined) return { step: "rest", length };
  return length > 0 ? { step: "counted", length } : { step: "over", length };
}

function readStatus(text: string) {
  const [, status, reason = ""] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(text) ?? [];
  if (status === undefined || status === "101") {
    throw new Error("what was written to the connection is no HTTP response");
  }
  return { status: Number(status), reason, headers: [] };
}

function splitHeader(text: string): [string, string] {
  const colon = text.indexOf(":");
  return [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1).trim()];
}

function readSize(text: string): number {
  if (!/^[\da-f]{1,8}$/i.test(text)) throw new Error("a chunk of a response has no size");
  return Number.parseInt(text, 16);
}
