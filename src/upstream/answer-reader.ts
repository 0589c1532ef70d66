import { type ByteBuffer, createByteBuffer } from "../core/body.ts";

/** An answer as it came over HTTP/1.1. */
export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Its `Content-Encoding`. */
  readonly encoding: string | undefined;
  readonly body: Buffer;
  /** For how long its connection may be kept for another request; 0: it is to be closed. */
  readonly keepMs: number;
}

/** Why no answer can be read: its body is larger than allowed, or it is not HTTP/1.1. */
export type BadAnswer = "too_large" | "invalid";

/** Reads the answers of one connection, one after the other. */
export interface AnswerReader {
  /**
   * Takes what has arrived, and keeps none of these bytes. Returns the answer once it is whole.
   */
  read(bytes: Buffer): HttpAnswer | BadAnswer | undefined;
  /** The connection has ended. Returns the answer if that is how it ends. */
  end(): HttpAnswer | undefined;
}

/** What a head says. */
interface Head extends Omit<HttpAnswer, "body"> {
  readonly framing: "none" | "length" | "chunks" | "end";
  readonly length: number;
}

/** Reads one body; how long it is depends on its kind. */
interface BodyReader {
  /** Takes bytes from `at` on. Returns where the body ends, or `undefined` if more is to come. */
  read(bytes: Buffer, at: number): number | BadAnswer | undefined;
  readonly body: Buffer;
}

/** Bytes of a head, of the line of a chunk, and of trailers. Node.js' own limit. */
const HEAD_BYTES_MAX = 16_384;
const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
const NONE: Buffer = Buffer.alloc(0);

/**
 * Returns the reader of one connection's answers to POST requests.
 *
 * Answers are read strictly (RFC 9112): a length that is no number or is given twice differently, a
 * length beside chunks, a folded line, or a line end without a carriage return make it `invalid`.
 * Interim answers are passed over. Bytes behind an answer are no part of any: nobody has asked for
 * them, so `keepMs` is 0 then.
 */
export function createAnswerReader(bytesMax: number): AnswerReader {
  const heads = createLines(HEAD_END);
  let head: Head | undefined;
  let reader: BodyReader | undefined;

  function finish(keepMs: number): HttpAnswer | undefined {
    if (!head || !reader) return undefined;
    const { status, retryAfter, encoding } = head;
    const { body } = reader;
    head = undefined;
    reader = undefined;
    return { status, retryAfter, encoding, body, keepMs };
  }

  function readBody(bytes: Buffer, at: number): HttpAnswer | BadAnswer | undefined {
    const end = reader?.read(bytes, at);
    if (typeof end !== "number") return end;
    return finish(head && end === bytes.length ? head.keepMs : 0);
  }

  function begin(bytes: Buffer): HttpAnswer | BadAnswer | undefined {
    for (let at = 0; ; ) {
      const found = heads.next(bytes, at);
      if (typeof found !== "object") return found;
      at = found.end;
      head = readHead(found.text);
      if (!head) return "invalid";
      // 103 and its like come before the answer.
      if (head.status < 200) continue;
      if (head.framing === "length" && head.length > bytesMax) return "too_large";
      reader = createBodyReader(head, bytesMax);
      return readBody(bytes, at);
    }
  }

  return {
    read: (bytes) => (reader ? readBody(bytes, 0) : begin(bytes)),
    end: () => (head?.framing === "end" ? finish(0) : undefined),
  };
}

/** Finds lines, or whole heads, that may come in pieces. */
function createLines(mark: Buffer) {
  let rest: Buffer = NONE;
  return {
    /** Returns the text up to the next mark, and where what is behind that begins. */
    next(bytes: Buffer, at: number): { text: string; end: number } | "invalid" | undefined {
      if (rest.length > 0) return this.join(bytes, at);
      const end = bytes.indexOf(mark, at);
      if ((end < 0 ? bytes.length : end) - at > HEAD_BYTES_MAX) return "invalid";
      if (end >= 0) return { text: bytes.toString("latin1", at, end), end: end + mark.length };
      rest = Buffer.from(bytes.subarray(at));
      return undefined;
    },
    join(bytes: Buffer, at: number): ReturnType<typeof this.next> {
      const known = rest;
      rest = NONE;
      const found = this.next(Buffer.concat([known, bytes.subarray(at)]), 0);
      if (typeof found !== "object") return found;
      // The mark itself was not in what was known.
      return { text: found.text, end: at + found.end - known.length };
    },
  };
}

/** HTTP/1.1 or 1.0, and a status of three digits. */
const STATUS = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/;

/** Fields that say something of the answer or its connection. */
interface Fields {
  "content-length"?: string;
  "transfer-encoding"?: string;
  "content-encoding"?: string;
  "retry-after"?: string;
  connection?: string;
  "keep-alive"?: string;
}

const KNOWN: ReadonlySet<string> = new Set<keyof Fields>([
  "content-length",
  "transfer-encoding",
  "content-encoding",
  "retry-after",
  "connection",
  "keep-alive",
]);

// Thousands of answers a second have the same head, but for a date of that second.
let lastText = "";
let lastHead: Head | undefined;

function readHead(text: string): Head | undefined {
  if (text !== lastText) {
    lastHead = parseHead(text);
    lastText = text;
  }
  return lastHead;
}

function parseHead(text: string): Head | undefined {
  const lines = text.split("\r\n");
  const [, minor, code] = STATUS.exec(lines[0] ?? "") ?? [];
  const fields = parseFields(lines);
  if (!fields || code === undefined) return undefined;
  const status = Number(code);
  const framed = frameOf(status, minor === "1", fields);
  // Nobody has asked for another protocol.
  if (!framed || status === 101) return undefined;
  const isKept = framed.framing !== "end" && mayKeep(minor === "1", fields.connection);
  return {
    ...framed,
    status,
    retryAfter: fields["retry-after"],
    encoding: fields["content-encoding"],
    keepMs: isKept ? keepMsOf(fields["keep-alive"]) : 0,
  };
}

function parseFields(lines: readonly string[]): Fields | undefined {
  const fields: Record<string, string> = {};
  for (let at = 1; at < lines.length; at++) {
    const [, name, given] = FIELD.exec(lines[at] ?? "") ?? [];
    if (name === undefined || given === undefined) return undefined;
    const known = name.toLowerCase();
    if (!KNOWN.has(known)) continue;
    const value = given.trimEnd();
    const before = fields[known];
    // A list may come in several lines; so may a length that is always the same.
    if (before === undefined) fields[known] = value;
    else if (known !== "content-length") fields[known] = `${before}, ${value}`;
    else if (before !== value) return undefined;
  }
  return fields;
}

function frameOf(
  status: number,
  is11: boolean,
  { "content-length": length, "transfer-encoding": coding }: Fields,
): Pick<Head, "framing" | "length"> | undefined {
  if (coding !== undefined) {
    const isFit = is11 && length === undefined && coding.toLowerCase() === "chunked";
    return isFit ? { framing: "chunks", length: 0 } : undefined;
  }
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return undefined;
  if (status < 200 || status === 204 || status === 304) return { framing: "none", length: 0 };
  return length === undefined
    ? { framing: "end", length: 0 }
    : { framing: "length", length: Number(length) };
}

function mayKeep(is11: boolean, connection = ""): boolean {
  const options = connection.toLowerCase().split(/[\t ]*,[\t ]*/);
  return !options.includes("close") && (is11 || options.includes("keep-alive"));
}

/** How long a connection is kept whose function does not say how long it keeps it. */
const KEEP_MS = 4000;
const KEEP_MS_MAX = 600_000;
/** It is given up so long before its function would: a request may be under way by then. */
const KEEP_MARGIN_MS = 2000;

function keepMsOf(given: string | undefined): number {
  const seconds = given && /(?:^|[\t ,])timeout=(\d{1,9})/i.exec(given)?.[1];
  if (!seconds) return KEEP_MS;
  return Math.min(KEEP_MS_MAX, Math.max(0, Number(seconds) * 1000 - KEEP_MARGIN_MS));
}

function createBodyReader({ framing, length }: Head, bytesMax: number): BodyReader {
  if (framing === "chunks") return createChunks(bytesMax);
  if (framing === "end") return createRest(bytesMax);
  return createFixed(length);
}

/** A body of so many bytes; most come in one piece. */
function createFixed(length: number): BodyReader {
  let held: ByteBuffer | undefined;
  let whole: Buffer = NONE;
  return {
    read(bytes, at) {
      const missing = length - (held?.length ?? 0);
      const end = Math.min(bytes.length, at + missing);
      if (!held && end - at === length) whole = Buffer.from(bytes.subarray(at, end));
      else {
        held ??= createByteBuffer(length);
        if (!held.add(bytes.subarray(at, end))) return "too_large";
        whole = held.bytes();
      }
      return end - at === missing ? end : undefined;
    },
    get body() {
      return whole;
    },
  };
}

/** A body that ends with its connection. */
function createRest(bytesMax: number): BodyReader {
  const held = createByteBuffer(bytesMax);
  return {
    read: (bytes, at) => (held.add(bytes.subarray(at)) ? undefined : "too_large"),
    get body() {
      return held.bytes();
    },
  };
}

/** A chunk's size; what may follow it is of no use here. RFC 9112, section 7.1. */
const CHUNK = /^([0-9a-fA-F]{1,12})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?$/;

function createChunks(bytesMax: number): BodyReader {
  const held = createByteBuffer(bytesMax);
  const lines = createLines(LINE_END);
  /** Bytes of the chunk that are to come. */
  let missing = 0;
  /** What the next line is. */
  let next: "size" | "end" | "trailer" = "size";
  let trailerBytes = 0;

  /** Reads a line; returns whether it is the last one. */
  function readLine(text: string): boolean | "invalid" {
    if (next === "trailer") {
      trailerBytes += text.length;
      if (text === "") return true;
      return FIELD.test(text) && trailerBytes <= HEAD_BYTES_MAX ? false : "invalid";
    }
    if (next === "end") {
      next = "size";
      return text === "" ? false : "invalid";
    }
    const size = CHUNK.exec(text)?.[1];
    if (size === undefined) return "invalid";
    missing = Number.parseInt(size, 16);
    next = missing === 0 ? "trailer" : "end";
    return false;
  }

  return {
    read(bytes, from) {
      for (let at = from; ; ) {
        const part = Math.min(missing, bytes.length - at);
        if (part > 0 && !held.add(bytes.subarray(at, at + part))) return "too_large";
        at += part;
        missing -= part;
        if (missing > 0) return held.length + missing > bytesMax ? "too_large" : undefined;
        const found = lines.next(bytes, at);
        if (typeof found !== "object") return found;
        at = found.end;
        const isLast = readLine(found.text);
        if (isLast === "invalid") return isLast;
        if (isLast) return at;
      }
    },
    get body() {
      return held.bytes();
    },
  };
}
