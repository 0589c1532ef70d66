import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import type { AppExchange, AppResponse, ResponseHead } from "../core/http.ts";
import { createLife, type Life, readChunks, type State, writeResponse } from "./exchange.ts";
import { formatStatus, writeHeader } from "./headers.ts";
import { formatAddress } from "./request.ts";

/** What is the same for all requests of one application's handler. */
export interface AppNeeds {
  readonly encrypted: boolean;
  /** Whether to read the address in the PROXY protocol header. */
  readonly proxyProtocol: boolean;
  /** Finds the client's address. Names of headers are in lower case. */
  readAddress(from: {
    readonly headers: Readonly<Record<string, string>>;
    readonly address: string;
    readonly proxiedAddress: string;
  }): string;
}

// uWebSockets.js frames the body, decides when a connection ends, and writes the date. What an
// application says of that would contradict or repeat it.
const LEFT_TO_HOST = new Set([
  ...["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"],
  ...["proxy-connection", "trailer", "date"],
]);

/** Statuses of responses without a body (RFC 9110, section 6.4.1). */
const BARE: readonly number[] = [204, 304];

/** Longest piece that uWebSockets.js is given at once: it copies what the kernel does not take. */
const PIECE_BYTES = 65_536;

/** A request of a mounted handler, and its headers as one record. */
export interface ReadRequest {
  readonly exchange: AppExchange;
  /** Repeated headers are joined. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads a request for the application. Call it before the route handler returns. */
export function readAppRequest(
  native: { readonly res: HttpResponse; readonly req: HttpRequest },
  needs: AppNeeds,
  state: State,
): ReadRequest {
  const { res, req } = native;
  const method = req.getMethod().toUpperCase();
  const query = req.getQuery();
  const target = inLatin1(query ? `${req.getUrl()}?${query}` : req.getUrl());
  const pairs: (readonly [string, string])[] = [];
  const headers: Record<string, string> = Object.create(null);
  req.forEach((name, value) => {
    pairs.push([name, inLatin1(value)]);
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  });
  const peer = formatAddress(res.getRemoteAddress());
  const proxiedAddress = needs.proxyProtocol ? formatAddress(res.getProxiedRemoteAddress()) : "";
  const address = needs.readAddress({ headers, address: peer, proxiedAddress });
  // Only a proxy that is trusted can have named another address in its headers. In the PROXY
  // protocol others name one, too.
  const isNamed = address !== (proxiedAddress || peer);
  const isForwarded = isNamed && headers["x-forwarded-proto"] === "https";
  const encrypted = needs.encrypted || isForwarded;
  const facts = { method, target, headers: pairs, address, encrypted };
  return { exchange: createAppExchange(res, facts, state), headers };
}

function createAppExchange(
  res: HttpResponse,
  facts: Pick<AppExchange, "method" | "target" | "headers" | "address" | "encrypted">,
  state: State,
): AppExchange {
  const life = createLife(res, state);
  let begun = false;
  return {
    ...facts,
    isDone: life.isDone,
    onOver: life.onOver,
    pause: life.pause,
    resume: life.resume,
    onChunk: (listener) => readChunks(res, life, { state, listener }),
    refuse(response) {
      if (life.isDone()) return;
      if (begun) {
        res.close();
        return;
      }
      life.finish();
      const head = facts.method === "HEAD";
      res.cork(() => writeResponse(res, response, { head, state }));
    },
    begin(head) {
      if (life.isDone() || begun) return undefined;
      begun = true;
      const isHead = facts.method === "HEAD";
      const hasBody = !isHead && !BARE.includes(head.status);
      const length = hasBody || isHead ? head.length : undefined;
      const cork = createCork(res, () => writeHead(res, head, state));
      return createAppResponse({ res, cork }, life, { hasBody, length });
    },
    abort() {
      if (!life.isDone()) res.close();
    },
  };
}

function writeHead(res: HttpResponse, head: ResponseHead, state: State): void {
  res.writeStatus(formatStatus(head.status, head.reason));
  for (const header of head.headers) {
    if (!LEFT_TO_HOST.has(header[0].toLowerCase())) writeHeader(res, header, state.leftOut);
  }
  if (state.stopping) res.writeHeader("connection", "close");
}

/** A response of uWebSockets.js, and how to write to it. */
interface Native {
  readonly res: HttpResponse;
  /** Has what `act` writes sent at once, behind the head, which is written the first time. */
  cork(act: () => void): void;
}

function createCork(res: HttpResponse, begin: () => void): Native["cork"] {
  let isBegun = false;
  return (act) => {
    res.cork(() => {
      if (!isBegun) begin();
      isBegun = true;
      act();
    });
  };
}

/** Sends what the client takes of a chunk. Returns the rest, or undefined if there is none. */
type Send = (chunk: Uint8Array) => Uint8Array | undefined;

/** Sends a body whose length is not known, as HTTP's chunks. */
function sendChunked({ res, cork }: Native): Send {
  return (chunk) => {
    for (let at = 0; at < chunk.byteLength; ) {
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      at += piece.byteLength;
      let isTaken = true;
      cork(() => {
        isTaken = res.write(piece);
      });
      // The piece itself waits in uWebSockets.js.
      if (!isTaken) return chunk.subarray(at);
    }
    return undefined;
  };
}

/** Sends a body whose length was told. Its last byte ends the response. */
function sendCounted({ res, cork }: Native, life: Life, length: number): Send {
  let sent = 0;
  return (given) => {
    const chunk = given.subarray(0, length - sent); // what is more would be the next response
    // A request that stays paused would keep the connection's next one from being read.
    if (sent + chunk.byteLength >= length) life.resume();
    const before = res.getWriteOffset();
    let result = [true, false];
    cork(() => {
      result = res.tryEnd(chunk, length);
    });
    const [isTaken, isOver] = result;
    if (isOver) {
      life.finish();
      return undefined;
    }
    const taken = isTaken ? chunk.byteLength : res.getWriteOffset() - before;
    sent += taken;
    return isTaken ? undefined : chunk.subarray(taken);
  };
}

/**
 * Returns the body of a response. Of a chunk that the client does not take at once no more than a
 * piece is copied: the rest waits here until the client has read what was sent.
 */
function createAppResponse(
  native: Native,
  life: Life,
  { hasBody, length }: { readonly hasBody: boolean; readonly length: number | undefined },
): AppResponse {
  const { res, cork } = native;
  const send = length === undefined ? sendChunked(native) : sendCounted(native, life, length);
  let waiting: Uint8Array | undefined;
  let isEnding = false;
  let told = (): void => {};

  function finish(): void {
    if (hasBody && length) {
      res.close(); // fewer bytes than were told
      return;
    }
    life.finish();
    cork(() => {
      if (hasBody) {
        res.end();
        return;
      }
      if (length !== undefined) res.writeHeader("content-length", `${length}`);
      // No arguments: given a length, the legacy binary would wait for a body of that length.
      res.endWithoutBody();
    });
  }
  res.onWritable(() => {
    if (waiting && !life.isDone()) waiting = waiting.byteLength > 0 ? send(waiting) : undefined;
    if (waiting || life.isDone()) return true;
    if (isEnding) finish();
    else told();
    return true;
  });
  return {
    hasBody,
    write(chunk) {
      if (life.isDone() || !hasBody || chunk.byteLength === 0) return true;
      waiting = send(chunk);
      return waiting === undefined;
    },
    onWritable(listener) {
      told = listener;
    },
    end() {
      if (life.isDone() || isEnding) return;
      isEnding = true;
      if (waiting === undefined) finish();
    },
  };
}

/** Returns text that was read as UTF-8 in the form of Node.js: a character for each byte. */
const inLatin1 = (text: string) =>
  /[^\x20-\x7e]/.test(text) ? Buffer.from(text).toString("latin1") : text;
