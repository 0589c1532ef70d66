/** What Node.js' http writes is read alike, however it is cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createResponseReader } from "../../src/http/response-reader.ts";

/** Reads a response in pieces of `size` bytes; returns what was read as text. */
function read(text: string, { method = "GET", size = text.length } = {}) {
  const reader = createResponseReader(method);
  const bytes = Buffer.from(text, "latin1");
  const seen = { heads: [] as unknown[], body: "", isWhole: false };
  for (let at = 0; at < bytes.length; at += size) {
    const { head, body, isWhole } = reader.read([bytes.subarray(at, at + size)]);
    if (head) seen.heads.push([head.status, head.reason, head.length, ...head.headers.flat()]);
    seen.body += Buffer.concat(body).toString("latin1");
    seen.isWhole = isWhole;
  }
  return { ...seen, isEndedByEnd: reader.endsWithConnection() };
}

const HEAD = "HTTP/1.1 200 OK\r\n";
const CHUNKS = "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n";

for (const [name, text, method, expected] of [
  ["a length", `${HEAD}Content-Length: 3\r\n\r\nabcHTTP/1.1 200 more`, "GET", [3, "abc", true]],
  ["no body", `${HEAD}Content-Length: 0\r\n\r\n`, "GET", [0, "", true]],
  [
    "chunks",
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
    "GET",
    [undefined, "abc0123456789", true],
  ],
  ["HEAD", `${HEAD}Content-Length: 3\r\n\r\n`, "HEAD", [3, "", true]],
  [
    "an end by the connection's",
    `${HEAD}\r\nabc\r\n\r\n`,
    "GET",
    [undefined, "abc\r\n\r\n", false],
  ],
  [
    "an earlier response",
    `HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n${HEAD}\r\n`,
    "GET",
    [undefined, "", false],
  ],
] as const) {
  test(`a response with ${name} is read alike, whole and byte by byte`, () => {
    const [length, body, isWhole] = expected;
    for (const size of [text.length, 1, 2, 7]) {
      const got = read(text, { method, size });
      assert.equal(got.heads.length, 1);
      assert.deepEqual((got.heads[0] as unknown[]).slice(0, 3), [200, "OK", length]);
      assert.deepEqual([got.body, got.isWhole, got.isEndedByEnd], [body, isWhole, !isWhole]);
    }
  });
}

test("what is no response is an error", () => {
  const chunked = `${HEAD}transfer-encoding: chunked\r\n\r\n`;
  const wrong = ["hello\r\n", "HTTP/1.1 101 Switching Protocols\r\n", "HTTP/2 200\r\n"];
  for (const text of [...wrong, `${chunked}x\r\n`, `${chunked}-1\r\n`, `${chunked}1\r\nab\r\n`]) {
    assert.throws(() => read(text), /response/, text);
  }
});
