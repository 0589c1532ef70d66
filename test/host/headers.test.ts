import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Server } from "socket.io";
import type { Log } from "../../src/core/log.ts";
import { attach } from "../../src/gateway/attach.ts";
import { startApp } from "../harness/app.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask, UPGRADE } from "../harness/http.ts";
import { startStock } from "../harness/stock.ts";
import { until } from "../harness/wait.ts";
import { readAnswers } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

/** Headers as applications set them, with names and values of every kind. */
const ROWS: readonly (readonly [string, string, unknown])[] = [
  ["a text", "x-a", "b"],
  ["a number", "x-a", 5],
  ["a list", "x-a", ["b", "c"]],
  ["a list of numbers", "x-a", [1, 2]],
  ["an empty list", "x-a", []],
  ["an empty text", "x-a", ""],
  ["several cookies", "Set-Cookie", ["a=1; Path=/", "b=2"]],
  ["a text outside ASCII", "x-a", "caf\u00e9"],
  ["null", "x-a", null],
  ["an object", "x-a", { toString: () => "text" }],
  ["undefined", "x-a", undefined],
  ["a line end", "x-a", "b\r\nx-evil: yes"],
  ["a line end in a list", "x-a", ["b", "c\nx-evil: yes"]],
  ["a zero byte", "x-a", "b\0"],
  ["a text outside latin1", "x-a", "\u65e5"],
  ["a symbol", "x-a", Symbol("b")],
  ["a name with a space", "x a", "b"],
  ["a name with a line end", "x-a: b\r\nx-evil", "yes"],
  ["an empty name", "", "b"],
];

type Middleware = (request: unknown, response: ServerResponse, next: () => void) => void;

const linesOf = (raw: readonly string[], name: string) =>
  raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === name.toLowerCase());

/** What Node.js' own http server writes for a header, or "refused". */
async function askNode(t: TestContext, name: string, value: unknown) {
  let refused = false;
  const server = createServer((_, response) => {
    try {
      response.setHeader(name, value as string); // whatever it is: that is what is asked
    } catch {
      refused = true;
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo; // listening on TCP
  const { rawHeaders } = await ask(`http://127.0.0.1:${port}/`);
  return refused ? "refused" : linesOf(rawHeaders, name);
}

/** The places where an application sets headers of answers. */
const PLACES = {
  middleware(io: Server, name: string, value: unknown) {
    const set: Middleware = (_, response, next) => {
      response.setHeader(name, value as string); // as above
      next();
    };
    io.engine.use(set);
  },
  headers: listen("headers"),
  initial_headers: listen("initial_headers"),
};

function listen(event: "headers" | "initial_headers") {
  return (io: Server, name: string, value: unknown) => {
    io.engine.on(event, (headers: Record<string, unknown>) => {
      headers[name] = value;
    });
  };
}

for (const [title, name, value] of ROWS) {
  test(`a header of an answer is what Node.js makes of ${title}`, async (t) => {
    // Seen: a number or a list ended the process with the first handshake, a line end in a value
    // began headers of the client's choice, and several cookies became one that nobody reads.
    // Values were handed to uWebSockets.js as they came, which looks at none of them.
    const expected = await askNode(t, name, value);
    for (const [place, set] of Object.entries(PLACES)) {
      for (const transport of ["polling", "websocket"]) {
        const logged: unknown[] = [];
        const log: Log = (level, fields) => void logged.push([level, fields.header]);
        const gateway = await testGateway(t, {}, { log });
        set(gateway.io, name, value);
        const url = `${gateway.url}/socket.io/?EIO=4&transport=${transport}`;
        const headers = transport === "websocket" ? UPGRADE : {};
        const answer = await ask(url, { headers });
        const what = `${place}, ${transport}`;
        assert.equal(answer.status, transport === "websocket" ? 101 : 200, what);
        const refused = expected === "refused";
        assert.deepEqual(linesOf(answer.rawHeaders, name), refused ? [] : expected, what);
        assert.equal(answer.headers["x-evil"], undefined, what);
        const told = logged.filter(
          (line) => JSON.stringify(line) === JSON.stringify(["warn", name]),
        );
        assert.equal(told.length, refused ? 1 : 0, what);
      }
    }
  });
}

test("headers that say where an answer ends, or that switch protocols, stay those of the server", async (t) => {
  const gateway = await testGateway(t);
  gateway.io.engine.on("headers", (headers: Record<string, unknown>) => {
    Object.assign(headers, { "content-length": 1, "Transfer-Encoding": "chunked" });
    Object.assign(headers, { "sec-websocket-accept": "x", upgrade: "h2c" });
  });
  const url = `${gateway.url}/socket.io/?EIO=4&transport=`;
  const polling = await ask(`${url}polling`);
  assert.equal(polling.headers["content-length"], String(polling.body.length));
  assert.equal(polling.headers["transfer-encoding"], undefined);
  const switched = await ask(`${url}websocket`, { headers: UPGRADE });
  assert.equal(switched.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert.equal(switched.headers.upgrade, "websocket");
  assert.equal(switched.headers["content-length"], undefined);
  assert.ok((await gateway.connected()).connected);
});

test("an answer to HEAD has no body, and the next answer on its connection is read right", async (t) => {
  // Seen: the body of a refusal followed the head, so that a client took it for the next answer.
  // Only the HTTP API looked at the method.
  const gateway = await testGateway(t);
  const raw = await openTcp(gateway.port);
  const head = "HEAD /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
  raw.write(head + head);
  const [first, second] = await readAnswers(raw, 2, "HEAD");
  assert.deepEqual([first?.status, second?.status], [400, 400]);
  assert.ok(Number(second?.headers["content-length"]) > 10);
  assert.equal(raw.unread, "");
  raw.close();
});

for (const status of [204, 304]) {
  test(`an answer of ${status} has no body, whatever it is ended with`, async (t) => {
    // Seen: the body of a middleware's answer stood where its client read the next answer. Only the
    // method was looked at.
    const gateway = await testGateway(t);
    gateway.io.engine.use((_request: unknown, response: ServerResponse) => {
      response.statusCode = status;
      response.end("HTTP/1.1 200 OK\r\n\r\n");
    });
    const raw = await openTcp(gateway.port);
    const get = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
    raw.write(get);
    await until(() => raw.unread.includes("\r\n\r\n"), "the first answer");
    raw.write(get);
    await until(() => raw.unread.split("\r\n\r\n").length > 2, "the second answer");
    const heads = raw.unread.split("\r\n\r\n");
    assert.deepEqual(
      heads.map((head) => head.slice(0, 12)),
      [`HTTP/1.1 ${status}`, `HTTP/1.1 ${status}`, ""],
    );
    assert.doesNotMatch(raw.unread, /content-length/i);
    raw.close();
  });
}

test("a cookie that a listener spells in small letters stands beside the session's", async (t) => {
  // Seen: the session's was lost, and with it the way back to this gateway through a proxy that goes
  // by it. Names were told apart by their letters when set, and not when written.
  const gateway = await testGateway(t);
  const { engine } = gateway.io as unknown as { engine: Server["engine"] & { opts: object } };
  Object.assign(engine.opts, { cookie: { name: "io" } }); // what the option of the same name sets
  engine.on("initial_headers", (headers: Record<string, unknown>) => {
    headers["set-cookie"] = ["a=1", "b=2"];
  });
  const { rawHeaders } = await ask(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
  const [session, ...others] = linesOf(rawHeaders, "set-cookie");
  assert.match(session ?? "", /^io=/);
  assert.deepEqual(others, ["a=1", "b=2"]);
});

/** Middlewares that lean on `http.ServerResponse`, and what one of them saw. */
const MIDDLEWARES: Readonly<Record<string, (seen: unknown[]) => Middleware>> = {
  "reads, changes and takes back what others set": (seen) => (_, response, next) => {
    response.setHeader("Vary", "Origin");
    response.setHeader("vary", `${response.getHeader("VARY")}, Accept`);
    response.appendHeader("Set-Cookie", "a=1").appendHeader("Set-Cookie", ["b=2"]);
    response.setHeader("X-Powered-By", "somebody");
    seen.push(response.hasHeader("x-powered-by"), response.getHeaderNames());
    response.removeHeader("X-Powered-By");
    const { connection, ...headers } = response.getHeaders();
    seen.push(headers, response.getHeader("x-powered-by"), response.headersSent);
    next();
  },
  "adds its cookie when the head is written": (seen) => (_, response, next) => {
    const { writeHead } = response;
    response.writeHead = ((...given: [number]) => {
      response.setHeader("Set-Cookie", "session=1");
      return writeHead.apply(response, given);
    }) as typeof writeHead; // one of its forms: no others are called here
    response.on("finish", () => seen.push("finish", response.writableEnded));
    next();
  },
  "sets a status and goes on": (_seen) => (_, response, next) => {
    response.statusCode = 418;
    next();
  },
  "sets a status as text, and headers as a map": (_seen) => (_, response) => {
    response.setHeaders(new Map<string, string | string[]>([["X-A", ["b", "c"]]]));
    response.statusCode = "404" as unknown as number; // as written in JavaScript
    response.end("not here");
  },
  "answers by itself, in pieces": (seen) => (_, response) => {
    response.writeHead(401, "Who are you", { "Content-Type": "text/plain", "X-A": ["b", "c"] });
    seen.push(response.headersSent, response.write("who "), response.writableEnded);
    response.end("are you?", () => seen.push("ended"));
  },
  "saves something before the end": (_seen) => (_, response, next) => {
    const { end } = response;
    response.end = ((...given: [string]) => {
      setImmediate(() => end.apply(response, given as never)); // in the form it was called
      return response;
    }) as typeof end;
    next();
  },
};

for (const [title, make] of Object.entries(MIDDLEWARES)) {
  test(`a middleware that ${title} does so as on Node.js' http server`, async (t) => {
    const stock = await startStock(t);
    const at = await startApp();
    const io = new Server();
    attach(io, at.app);
    t.after(async () => {
      await io.close();
      at.close();
    });
    const found: unknown[] = [];
    for (const [server, on] of [
      [stock.io, stock.port],
      [io, at.port],
    ] as const) {
      const seen: unknown[] = [];
      server.engine.use(make(seen));
      const answer = await ask(`http://127.0.0.1:${on}/socket.io/?EIO=4&transport=polling`);
      const { status, body, rawHeaders } = answer;
      const lines = ["vary", "set-cookie", "x-a", "x-powered-by", "content-type"].map((name) =>
        linesOf(rawHeaders, name),
      );
      found.push({ status, lines, body: body.replace(/"sid":"[^"]+"/, ""), seen });
    }
    assert.deepEqual(found[1], found[0]);
  });
}
