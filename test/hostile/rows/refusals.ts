import assert from "node:assert/strict";
import { formatRequest, readAnswer } from "../../harness/wire-http.ts";
import { enginePath } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import { formatUpgrade } from "../../harness/wire-ws.ts";
import { type Row, refused } from "../row.ts";

/** A long-polling handshake. */
export const HANDSHAKE = enginePath("transport=polling");

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
export const queryOf = (bytes: number) => {
  const query = HANDSHAKE.length - HANDSHAKE.indexOf("?") - 1;
  return `${HANDSHAKE}&x=${"x".repeat(bytes - query - 3)}`;
};
/** A WebSocket handshake. */
export const WS = enginePath("transport=websocket");

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
  // Seen: 101 for each of these, where the reference says 400. uWebSockets.js looks at the key alone.
  ...(
    [
      ["in version 12", { "sec-websocket-version": "12" }],
      ["in no version", { "sec-websocket-version": "" }],
      ["to h2c", { upgrade: "h2c" }],
      ["that its Connection does not name", { connection: "keep-alive" }],
    ] as const
  ).map(
    ([title, headers]): Refusal => ({
      id: "RFC 6455 4.2.1",
      title: `an upgrade ${title}`,
      upgrade: true,
      headers,
      path: WS,
      status: 400,
      reason: "bad_request",
    }),
  ),
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

/** Well-formed requests that must be refused. */
export const REFUSAL_ROWS: Row[] = REFUSALS.map((one) => ({
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
