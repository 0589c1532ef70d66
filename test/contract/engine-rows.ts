/** One HTTP request to the Engine.IO path and the answer both implementations owe. */
export interface HttpRow {
  readonly title: string;
  readonly method?: string;
  /** `$sid` is the id of an open long-polling session made for this row. */
  readonly query: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  /** The whole body, or the code of Engine.IO's error object. */
  readonly answer?: string | number;
  /** What the session of `$sid` is afterwards. */
  readonly session?: "alive" | "gone";
}

/** Engine.IO's error objects by code (engine.io protocol v4, "Handshake", and the reference). */
export const ERRORS: readonly string[] = [
  "Transport unknown",
  "Session ID unknown",
  "Bad handshake method",
  "Bad request",
  "Forbidden",
  "Unsupported protocol version",
];

const POLLING = "EIO=4&transport=polling";
const SESSION = `${POLLING}&sid=$sid`;

/** Engine.IO over plain HTTP: handshake, payloads, close, misuse. */
export const HTTP_ROWS: readonly HttpRow[] = [
  // Handshake.
  { title: "no protocol version", query: "transport=polling", status: 400, answer: 5 },
  { title: "EIO=abc", query: "EIO=abc&transport=polling", status: 400, answer: 5 },
  { title: "EIO=3 where it is off", query: "EIO=3&transport=polling", status: 400, answer: 5 },
  { title: "no transport", query: "EIO=4", status: 400, answer: 0 },
  { title: "unknown transport", query: "EIO=4&transport=abc", status: 400, answer: 0 },
  {
    title: "transport=webtransport",
    query: "EIO=4&transport=webtransport",
    status: 400,
    answer: 0,
  },
  { title: "transport=__proto__", query: "EIO=4&transport=__proto__", status: 400, answer: 0 },
  { title: "transport=constructor", query: "EIO=4&transport=constructor", status: 400, answer: 0 },
  {
    title: "transport=websocket without an upgrade",
    query: "EIO=4&transport=websocket",
    status: 400,
    answer: 3,
  },
  {
    title: "handshake by POST",
    method: "POST",
    query: POLLING,
    body: "40",
    status: 400,
    answer: 2,
  },
  { title: "handshake by PUT", method: "PUT", query: POLLING, body: "40", status: 400, answer: 2 },
  { title: "handshake by DELETE", method: "DELETE", query: POLLING, status: 400, answer: 2 },
  { title: "unknown sid", query: `${POLLING}&sid=nope`, status: 400, answer: 1 },
  { title: "sid=__proto__", query: `${POLLING}&sid=__proto__`, status: 400, answer: 1 },
  { title: "sid=constructor", query: `${POLLING}&sid=constructor`, status: 400, answer: 1 },
  { title: "sid=toString", query: `${POLLING}&sid=toString`, status: 400, answer: 1 },
  // Within a session.
  {
    title: "a poll with another protocol version",
    query: "EIO=3&transport=polling&sid=$sid",
    status: 400,
    answer: 3,
    session: "alive",
  },
  {
    title: "a poll as transport=websocket",
    query: "EIO=4&transport=websocket&sid=$sid",
    status: 400,
    answer: 3,
    session: "alive",
  },
  {
    title: "a payload",
    method: "POST",
    query: SESSION,
    body: "40",
    status: 200,
    answer: "ok",
    session: "alive",
  },
  {
    title: "a payload of several packets",
    method: "POST",
    query: SESSION,
    body: "6\x1e40\x1e6",
    status: 200,
    answer: "ok",
    session: "alive",
  },
  {
    title: "PUT within a session",
    method: "PUT",
    query: SESSION,
    body: "40",
    status: 500,
    session: "alive",
  },
  // The next three close the session with "parse error"; the payload itself was taken.
  {
    title: "an unknown packet type",
    method: "POST",
    query: SESSION,
    body: "x",
    status: 200,
    session: "gone",
  },
  {
    title: "a ping from the client",
    method: "POST",
    query: SESSION,
    body: "2",
    status: 200,
    session: "gone",
  },
  {
    title: "a close packet",
    method: "POST",
    query: SESSION,
    body: "1",
    status: 200,
    answer: "ok",
    session: "gone",
  },
  {
    title: "an empty payload",
    method: "POST",
    query: SESSION,
    body: "",
    status: 200,
    answer: "ok",
    session: "gone",
  },
  {
    title: "a payload that has no length and is in no chunks",
    method: "POST",
    query: SESSION,
    status: 200,
    answer: "ok",
    session: "gone",
  },
  {
    title: "a payload as application/octet-stream",
    method: "POST",
    query: SESSION,
    headers: { "content-type": "application/octet-stream" },
    body: "40",
    status: 400,
    session: "gone",
  },
  {
    title: "a payload of one byte over the limit",
    method: "POST",
    query: SESSION,
    body: "4".repeat(100_001),
    status: 413,
  },
];
