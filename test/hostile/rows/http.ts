import assert from "node:assert/strict";
import { answerOrEnd, formatRequest, readAnswer, request } from "../../harness/wire-http.ts";
import { enginePath } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import { formatUpgrade, openWs, takeWs, UpgradeRefused } from "../../harness/wire-ws.ts";
import { type Row, refused } from "../row.ts";

/** A name for a request that must be answered with an error, or cut, and never served. */
type Malformed = readonly [id: string, title: string, bytes: string];

const HANDSHAKE = enginePath("transport=polling");
const get = (headers: string, path = HANDSHAKE) => `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
const post = (headers: string, body: string) =>
  `POST ${HANDSHAKE}&sid=none HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`;

const MALFORMED: readonly Malformed[] = [
  ["CVE-2021-45945", "a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n"],
  ["CVE-2021-45945", "a request line of one word", "GET\r\n\r\n"],
  ["CVE-2021-45945", "NUL bytes", `\0\0\0\0\r\n\r\n`],
  ["CVE-2021-45945", "a NUL in a header", get("Host: a\r\nX: a\0b\r\n", "/nowhere")],
  ["CVE-2021-45945", "a header without a colon", get("Host: a\r\nno colon here\r\n")],
  ["CVE-2021-45945", "bare line feeds", `GET ${HANDSHAKE} HTTP/1.1\nHost: a\n\n\r\n\r\n`],
  ["CVE-2021-45945", "a header of 100 KB", get(`Host: a\r\nX: ${"x".repeat(100_000)}\r\n`)],
  ["CVE-2021-45945", "a path of 100 KB", get("Host: a\r\n", `/${"x".repeat(100_000)}`)],
  ["CVE-2024-37890", "300 headers", get(`Host: a\r\n${"a: b\r\n".repeat(300)}`)],
  ["CVE-2024-37890", "20,000 headers", get(`Host: a\r\n${"a: b\r\n".repeat(20_000)}`)],
  ["smuggling", "HTTP/9.9", `GET ${HANDSHAKE} HTTP/9.9\r\nHost: a\r\n\r\n`],
  ["smuggling", "two Content-Lengths", post("Content-Length: 2\r\nContent-Length: 40\r\n", "40")],
  [
    "smuggling",
    "Content-Length and chunks",
    post("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", "2\r\n40\r\n0\r\n\r\n"),
  ],
  ["smuggling", "a negative Content-Length", post("Content-Length: -2\r\n", "40")],
  ["smuggling", "a Content-Length of 2^64", post("Content-Length: 18446744073709551616\r\n", "40")],
  ["smuggling", "a Content-Length in words", post("Content-Length: two\r\n", "40")],
  [
    "smuggling",
    "a chunk of 2^64 bytes",
    post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff1\r\n40\r\n"),
  ],
  ["smuggling", "an unknown transfer coding", post("Transfer-Encoding: gzip\r\n", "40")],
  ["path", "the metrics behind the Socket.IO path", get("Host: a\r\n", "/socket.io/../metrics")],
  ["path", "a path of NULs", get("Host: a\r\n", "/%00%00")],
  ["path", "an absolute form", get("Host: a\r\n", "http://b.example/socket.io/")],
];

const MALFORMED_ROWS: Row[] = MALFORMED.map(([id, title, bytes]) => ({
  id,
  title: `${title} is not served`,
  counted: {},
  async attack(port) {
    const tcp = await openTcp(port);
    // Cut, or answered with an error; the end from this side ends what would wait for more.
    tcp.socket.end(Buffer.from(bytes, "latin1"));
    const outcome = await answerOrEnd(tcp);
    if (outcome !== "ended")
      assert.ok(
        (outcome >= 400 && outcome < 500) || outcome === 501 || outcome === 505,
        `answered ${outcome}`,
      );
    tcp.close();
  },
}));

/** Requests that are well formed and ask for what must be refused, with the refusal's status. */
interface Refusal {
  readonly id: string;
  readonly title: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly upgrade?: boolean;
  readonly status: number;
  readonly reason: Parameters<typeof refused>[0];
}

const EVIL = { origin: "https://evil.example" };
/** A handshake whose query has that many bytes. */
const queryOf = (bytes: number) => {
  const query = HANDSHAKE.length - HANDSHAKE.indexOf("?") - 1;
  return `${HANDSHAKE}&x=${"x".repeat(bytes - query - 3)}`;
};
const WS = enginePath("transport=websocket");

const REFUSALS: readonly Refusal[] = [
  {
    id: "CVE-2023-31125",
    title: "an upgrade with transport=polling",
    upgrade: true,
    path: HANDSHAKE,
    status: 400,
    reason: "bad_request",
  },
  {
    id: "CVE-2023-31125",
    title: "an upgrade with transport=abc",
    upgrade: true,
    path: enginePath("transport=abc"),
    status: 400,
    reason: "unknown_transport",
  },
  {
    id: "CVE-2023-31125",
    title: "an upgrade with transport=__proto__",
    upgrade: true,
    path: enginePath("transport=__proto__"),
    status: 400,
    reason: "unknown_transport",
  },
  {
    id: "CVE-2023-31125",
    title: "an upgrade with transport=webtransport",
    upgrade: true,
    path: enginePath("transport=webtransport"),
    status: 400,
    reason: "unknown_transport",
  },
  {
    id: "CVE-2023-31125",
    title: "an upgrade without a transport",
    upgrade: true,
    path: enginePath(""),
    status: 400,
    reason: "unknown_transport",
  },
  {
    id: "CVE-2023-31125",
    title: "an upgrade with EIO=3",
    upgrade: true,
    path: "/socket.io/?EIO=3&transport=websocket",
    status: 400,
    reason: "bad_protocol",
  },
  ...["__proto__", "constructor", "toString", "hasOwnProperty"].flatMap((sid): Refusal[] => [
    {
      id: "CVE-2026-102600",
      title: `a poll with sid=${sid}`,
      path: `${HANDSHAKE}&sid=${sid}`,
      status: 400,
      reason: "unknown_session",
    },
    {
      id: "CVE-2026-102600",
      title: `an upgrade with sid=${sid}`,
      upgrade: true,
      path: `${WS}&sid=${sid}`,
      status: 400,
      reason: "unknown_session",
    },
  ]),
  {
    id: "methods",
    title: "a handshake by POST",
    method: "POST",
    path: HANDSHAKE,
    status: 400,
    reason: "bad_method",
  },
  {
    id: "methods",
    title: "a handshake by HEAD",
    method: "HEAD",
    path: HANDSHAKE,
    status: 400,
    reason: "bad_method",
  },
  {
    id: "methods",
    title: "a handshake by TRACE",
    method: "TRACE",
    path: HANDSHAKE,
    status: 400,
    reason: "bad_method",
  },
  {
    id: "upgrade",
    title: "transport=websocket without an upgrade",
    path: WS,
    status: 400,
    reason: "bad_request",
  },
  {
    id: "upgrade",
    title: "an upgrade without a key",
    upgrade: true,
    headers: { "sec-websocket-key": "" },
    path: WS,
    status: 400,
    reason: "bad_request",
  },
  {
    id: "upgrade",
    title: "an upgrade with a key of 5 bytes",
    upgrade: true,
    headers: { "sec-websocket-key": "short" },
    path: WS,
    status: 400,
    reason: "bad_request",
  },
  {
    id: "CVE-2020-28481",
    title: "an upgrade from another origin",
    upgrade: true,
    headers: EVIL,
    path: WS,
    status: 403,
    reason: "origin_forbidden",
  },
  {
    id: "CVE-2020-28481",
    title: "a poll from another origin",
    headers: EVIL,
    path: HANDSHAKE,
    status: 403,
    reason: "origin_forbidden",
  },
  {
    id: "CVE-2020-28481",
    title: "an upgrade from the origin null",
    upgrade: true,
    headers: { origin: "null" },
    path: WS,
    status: 403,
    reason: "origin_forbidden",
  },
  {
    id: "CVE-2020-28481",
    title: "an upgrade from an origin that ends like the host",
    upgrade: true,
    headers: { origin: "http://evil-localhost" },
    path: WS,
    status: 403,
    reason: "origin_forbidden",
  },
  {
    id: "sizes",
    title: "a query of limits.queryBytesMax + 1",
    path: queryOf(2049),
    status: 414,
    reason: "limit_query",
  },
  {
    id: "sizes",
    title: "headers of limits.headerBytesMax + 1",
    headers: { "x-pad": "x".repeat(1024 - 17) },
    path: HANDSHAKE,
    status: 431,
    reason: "limit_headers",
  },
];

const REFUSAL_ROWS: Row[] = REFUSALS.map((one) => ({
  id: one.id,
  title: `${one.title} is answered ${one.status}`,
  counted: refused(one.reason),
  async attack(port) {
    const { method = "GET", path, headers = {} } = one;
    const tcp = await openTcp(port);
    tcp.write(
      one.upgrade ? formatUpgrade(path, headers) : formatRequest({ method, path, headers }),
    );
    const answer = await readAnswer(tcp, method);
    assert.equal(answer.status, one.status, answer.body);
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
    tcp.close();
  },
}));

const served = async (port: number, headers: Record<string, string>, path = WS) => {
  const ws = await openWs(port, path, headers);
  assert.match((await ws.next()).payload.toString(), /^0\{/);
  ws.tcp.close();
};

const MORE_ROWS: Row[] = [
  {
    id: "GHSA-5v72",
    title: "Sec-WebSocket-Extensions of Object's own names are not looked up",
    counted: {},
    async attack(port) {
      for (const name of ["constructor", "__proto__", "toString; constructor=1"]) {
        await served(port, { "sec-websocket-extensions": name });
      }
    },
  },
  {
    id: "CVE-2016-10544",
    title: "compression is not negotiated unless it is on",
    counted: {},
    async attack(port) {
      const offer = "permessage-deflate; client_max_window_bits";
      const ws = await openWs(port, WS, { "sec-websocket-extensions": offer });
      assert.equal(ws.answer.headers["sec-websocket-extensions"], undefined);
      ws.tcp.close();
    },
  },
  {
    id: "CVE-2021-32640",
    title: "a Sec-WebSocket-Protocol of spaces and commas costs nothing",
    counted: {},
    async attack(port) {
      for (const value of [
        `a${" ".repeat(900)}b`,
        `${",".repeat(900)}a`,
        `a${"\t,".repeat(450)}`,
      ]) {
        const ws = await openWs(port, WS, { "sec-websocket-protocol": value }).catch(
          (error: unknown) => assert.ok(error instanceof UpgradeRefused),
        );
        if (ws) ws.tcp.close();
      }
    },
  },
  {
    id: "CVE-2022-41940",
    title: "a reset during an invalid upgrade harms nobody",
    counted: {},
    async attack(port) {
      for (let n = 0; n < 50; n++) {
        const tcp = await openTcp(port);
        const path = n % 2 === 0 ? HANDSHAKE : enginePath("transport=abc");
        tcp.write(formatUpgrade(path));
        tcp.close("reset");
      }
    },
  },
  {
    id: "CVE-2022-21676",
    title: "a frame with RSV2 and RSV3 around the upgrade ends only itself",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      const frame = Buffer.from([0xb1, 0x81, 0, 0, 0, 0, 0x32]);
      tcp.write(Buffer.concat([formatUpgrade(WS), frame]));
      const ws = await takeWs(tcp);
      tcp.write(frame);
      assert.equal((await ws.ended()).code, "none");
    },
  },
  {
    id: "sizes",
    title: "a query of limits.queryBytesMax is served",
    counted: {},
    async attack(port) {
      await poll(port, queryOf(2048));
    },
  },
  {
    id: "sizes",
    title: "headers of limits.headerBytesMax are served",
    counted: {},
    attack: (port) => poll(port, HANDSHAKE, { "x-pad": "x".repeat(1024 - 18) }),
  },
  {
    id: "pipelining",
    title: "a thousand requests in one segment are answered or cut",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      const one = formatRequest({ path: enginePath("transport=abc") });
      tcp.write(Buffer.concat(Array.from({ length: 1000 }, () => one)));
      for (let n = 0; n < 1000; n++) {
        const outcome = await answerOrEnd(tcp);
        if (outcome === "ended") break;
        assert.equal(outcome, 400);
      }
      tcp.close();
    },
  },
];

/** Opens a long-polling session and ends it again. */
async function poll(port: number, path: string, headers: Record<string, string> = {}) {
  const answer = await request(port, { path, headers });
  assert.equal(answer.status, 200, answer.body);
  const { sid } = JSON.parse(answer.body.slice(1));
  await request(port, { method: "POST", path: `${HANDSHAKE}&sid=${sid}`, body: "1" });
}

/** What the gateway of these rows accepts. */
export const HTTP_SETTINGS = {
  limits: { queryBytesMax: 2048, headerBytesMax: 1024 },
  socket: { packetBytesMax: 1_000_000 },
} as const;

/** HTTP requests and WebSocket handshakes. */
export const HTTP_ROWS: readonly Row[] = [...MALFORMED_ROWS, ...REFUSAL_ROWS, ...MORE_ROWS];
