import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import {
  type BadAnswer,
  createAnswerReader,
  type HttpAnswer,
} from "../../src/upstream/answer-reader.ts";

const MAX = 10_000;

/** Numbers from 0 to below `max` that a seed decides. */
function seeded(seed: string): (max: number) => number {
  let count = 0;
  return (max) => {
    const hash = createHash("sha256").update(`${seed} ${count++}`).digest();
    return hash.readUInt32LE(0) % max;
  };
}

/** Reads bytes that come in pieces; pieces are overwritten as a buffer of a connection is. */
function readIn(bytes: Buffer, sizes: () => number): HttpAnswer | BadAnswer | undefined {
  const reader = createAnswerReader(MAX);
  for (let at = 0; at < bytes.length; ) {
    const piece = Buffer.from(bytes.subarray(at, at + sizes()));
    at += piece.length;
    const read = reader.read(piece);
    piece.fill(0);
    if (read !== undefined) return read;
  }
  return reader.end();
}

const whole = (text: string) => readIn(Buffer.from(text, "latin1"), () => text.length);

/** Writes an answer as some server may: what is said of its body and how it comes are random. */
function writeAnswer(random: (max: number) => number): Buffer {
  const pick = (...words: string[]) => words[random(words.length)] ?? "";
  const body = Buffer.alloc(random(3) * random(2000), pick("a", "\r\n", "é"));
  const status = pick("200 OK", "200", "200 ", "201 Created", "422 No", "503 \u00e9", "301 Moved");
  const lines = [`HTTP/1.1 ${status}`, `Date: now`, `X-Empty:`, `x-spaced:\t  a b \t`];
  if (random(2) > 0) lines.push(`${pick("Retry-After", "retry-after")}: ${random(100)}`);
  const interim = pick("", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  const framing = random(3);
  if (framing === 0) lines.push(`${pick("Content-Length", "content-length")}: ${body.length}`);
  if (framing === 1) lines.push(`${pick("Transfer-Encoding", "transfer-encoding")}: chunked`);
  const parts = [Buffer.from(`${interim}${lines.join("\r\n")}\r\n\r\n`, "latin1")];
  if (framing !== 1) parts.push(body);
  else {
    for (let at = 0; at < body.length; ) {
      const part = body.subarray(at, at + 1 + random(700));
      const size = part.length.toString(16);
      const line = `${pick(size, size.toUpperCase(), `0${size}`)}${pick("", ";a=b")}\r\n`;
      parts.push(Buffer.from(line), part, Buffer.from("\r\n"));
      at += part.length;
    }
    parts.push(Buffer.from(`0\r\n${pick("", "x-trailer: 1\r\n")}\r\n`));
  }
  return Buffer.concat(parts);
}

/** What Node.js' own client reads of an answer: status and body, or nothing. */
async function readByNode(t: TestContext) {
  let bytes = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return (given: Buffer) =>
    new Promise<readonly [number | undefined, string] | undefined>((resolve) => {
      bytes = Buffer.from(given);
      const sent = request({ port, host: "127.0.0.1", method: "POST", agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => void chunks.push(chunk));
        answer.on("error", () => resolve(undefined));
        answer.on("end", () =>
          resolve([answer.statusCode, Buffer.concat(chunks).toString("latin1")]),
        );
      });
      sent.on("error", () => resolve(undefined));
      sent.end("{}");
    });
}

test("random answers in random pieces are read as Node.js' own client reads them", async (t) => {
  const node = await readByNode(t);
  for (let seed = 0; seed < 150; seed++) {
    const random = seeded(`answer ${seed}`);
    const bytes = writeAnswer(random);
    const expected = await node(bytes);
    for (const sizes of [() => bytes.length, () => 1, () => 1 + random(50)]) {
      const read = readIn(bytes, sizes);
      assert.ok(typeof read === "object", `seed ${seed}: ${read}, ${bytes.toString("latin1")}`);
      assert.deepEqual([read.status, read.body.toString("latin1")], expected, `seed ${seed}`);
    }
  }
});

test("what is damaged is never read as another answer than Node.js' own client reads", async (t) => {
  const node = await readByNode(t);
  let [refused, read] = [0, 0];
  for (let seed = 0; seed < 200; seed++) {
    const random = seeded(`damage ${seed}`);
    const bytes = writeAnswer(random);
    const head = bytes.indexOf("\r\n\r\n") + 12;
    const at = random(Math.min(head, bytes.length));
    if (random(2) > 0) bytes[at] = "\r\n\0 :;0f"[random(8)]?.charCodeAt(0) ?? 0;
    else bytes.copy(bytes, at, at + 1);
    const ours = readIn(bytes, () => 1 + random(50));
    if (typeof ours !== "object") refused++;
    else {
      read++;
      const shown = [ours.status, ours.body.toString("latin1")];
      const expected = await node(bytes);
      // Node.js gives up an answer for what is behind it; here that ends the connection.
      if (expected === undefined) assert.equal(ours.keepMs, 0, `seed ${seed}`);
      else assert.deepEqual(shown, expected, `seed ${seed}: ${bytes.toString("latin1")}`);
    }
  }
  assert.ok(refused > 20 && read > 20, `${refused} refused, ${read} read`);
});

test("what is not HTTP/1.1, or says two things of its length, is invalid", () => {
  const bad = [
    "HTTP/2 200\r\n\r\n",
    "HTTP/1.1 20\r\n\r\n",
    "HTTP/1.1 2000\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n1",
    "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n1",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n1",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n1",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n12\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n1\r\n",
    `HTTP/1.1 200 OK\r\nX: ${"a".repeat(16_384)}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${"a".repeat(16_384)}`,
  ];
  for (const text of bad) assert.equal(whole(text), "invalid", JSON.stringify(text.slice(0, 99)));
});

test("a body has at most so many bytes, however it comes", () => {
  const [fits, not] = ["a".repeat(MAX), "a".repeat(MAX + 1)];
  const framings = [
    (body: string) => `Content-Length: ${body.length}\r\n\r\n${body}`,
    (body: string) =>
      `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    (body: string) => `\r\n${body}`,
  ];
  for (const frame of framings) {
    const read = whole(`HTTP/1.1 200 OK\r\n${frame(fits)}`);
    assert.equal(typeof read === "object" && read.body.length, MAX);
    assert.equal(whole(`HTTP/1.1 200 OK\r\n${frame(not)}`), "too_large");
  }
  const declared = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\na";
  assert.equal(whole(declared), "too_large", "before it has come");
});

test("a connection is kept as long as its function keeps it, and not where it says it ends", () => {
  const keepMs = (head: string, body = "") => {
    const read = whole(`${head}\r\ncontent-length: 0\r\n\r\n${body}`);
    return typeof read === "object" ? read.keepMs : read;
  };
  assert.equal(keepMs("HTTP/1.1 200 OK"), 4000);
  assert.equal(keepMs("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=3"), 3000);
  assert.equal(keepMs("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=99999"), 600_000);
  assert.equal(keepMs("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2"), 0);
  assert.equal(keepMs("HTTP/1.1 200 OK\r\nConnection: x, Close"), 0);
  assert.equal(keepMs("HTTP/1.0 200 OK"), 0);
  assert.equal(keepMs("HTTP/1.0 200 OK\r\nConnection: keep-alive"), 4000);
  assert.equal(keepMs("HTTP/1.1 200 OK", "more"), 0, "bytes that nobody has asked for");
});

test("answers of one connection are read one after the other; statuses without a body have none", () => {
  const reader = createAnswerReader(MAX);
  for (const [code, body] of [
    [200, "one"],
    [204, ""],
    [304, ""],
    [200, "two"],
  ] as const) {
    const length = body === "" ? "" : `content-length: ${body.length}\r\n`;
    const read = reader.read(Buffer.from(`HTTP/1.1 ${code} \r\n${length}\r\n${body}`));
    assert.ok(typeof read === "object");
    assert.deepEqual([read.status, String(read.body)], [code, body]);
  }
  assert.equal(reader.end(), undefined);
});
