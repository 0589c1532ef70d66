import assert from "node:assert/strict";
import { answerOrEnd } from "../../harness/wire-http.ts";
import { enginePath } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import type { Row } from "../row.ts";

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

/** Bytes that are no HTTP request, or two at once; the parser answers them before Sluice. */
export const MALFORMED_ROWS: Row[] = MALFORMED.map(([id, title, bytes]) => ({
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
