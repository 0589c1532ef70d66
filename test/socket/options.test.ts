/** Every option of a Socket.IO server is honoured under `attach`, or refused at start. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { Server, type ServerOptions } from "socket.io";
import { attach } from "../../src/gateway/attach.ts";
import { CLIENT_FILES } from "../../src/socket/client-files.ts";
import { SERVER_OPTIONS } from "../../src/socket/options.ts";
import { startApp } from "../harness/app.ts";
import { newClient, testGateway } from "../harness/gateway.ts";
import { ROOT, startProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";
import { openTcp } from "../harness/wire-tcp.ts";

async function serve(t: TestContext, options: Partial<ServerOptions> = {}) {
  const app = await startApp();
  const io = new Server(options);
  const attached = attach(io, app.app);
  t.after(async () => {
    await io.close();
    attached.detach();
    app.close();
  });
  return { io, url: app.url };
}

/** The members that one interface of a declaration file has of its own. */
function membersOf(file: string, name: string): string[] {
  const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const [, heir = "", body = ""] =
    text.match(new RegExp(`interface ${name}( extends [^{]*)?\\s*\\{\\n([\\s\\S]*?)\\n\\}`)) ?? [];
  // Another parent would have members that nobody looks at here.
  assert.ok(["", " extends EngineOptions, AttachOptions"].includes(heir.trimEnd()), heir);
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, member = ""]) => member);
}

test("the table has each option that the type has, and no other", () => {
  const require = createRequire(import.meta.url);
  const own = join(dirname(require.resolve("socket.io/package.json")), "dist/index.d.ts");
  const engine = require.resolve("engine.io", { paths: [dirname(own)] });
  const server = join(dirname(engine), "../build/server.d.ts");
  const members = [
    ...membersOf(own, "ServerOptions"),
    ...["ServerOptions", "AttachOptions"].flatMap((name) => membersOf(server, name)),
  ];
  assert.ok(members.length > 20);
  assert.deepEqual(Object.keys(SERVER_OPTIONS).sort(), [...new Set(members)].sort());
});

const REFUSED: readonly Partial<ServerOptions>[] = [
  { perMessageDeflate: true },
  { perMessageDeflate: { threshold: 1 } },
  { wsEngine: Object },
  { transports: ["polling", "webtransport"] },
  { destroyUpgrade: false },
  { destroyUpgradeTimeout: 10 },
  { parser: { Encoder: class {}, Decoder: class {} } },
];

for (const options of REFUSED) {
  const [name] = Object.keys(options) as [keyof ServerOptions];
  test(`${JSON.stringify(options)} is refused at start, with a sentence`, async (t) => {
    // Seen: options that Node.js' http server honours did nothing, without a word.
    const app = await startApp();
    t.after(() => app.close());
    const { text } = SERVER_OPTIONS[name];
    assert.throws(() => attach(new Server(options), app.app), {
      message: `option ${name}: ${text}.`,
    });
    const attached = attach(new Server(), app.app);
    attached.detach();
  });
}

test("the parser of msgpack, that of JSON and compression that is off are taken", async (t) => {
  const parser: unknown = createRequire(import.meta.url)("socket.io-msgpack-parser");
  await serve(t, { parser, perMessageDeflate: false });
  await serve(t, { parser: createRequire(import.meta.url)("socket.io-parser") });
});

test("the client's bundles and maps are served as on Node.js' http server", async (t) => {
  // Seen: 404 for /socket.io/socket.io.js, which pages load, where attachApp and http serve it.
  const { url } = await serve(t);
  const { version } = createRequire(import.meta.url)("socket.io/package.json") as {
    version: string;
  };
  for (const file of CLIENT_FILES) {
    const answer = await fetch(`${url}/socket.io/${file}`);
    const kind = file.endsWith(".map") ? "json" : "javascript";
    assert.equal(answer.status, 200, file);
    assert.equal(answer.headers.get("content-type"), `application/${kind}; charset=utf-8`);
    assert.equal(answer.headers.get("cache-control"), "public, max-age=0");
    assert.equal(answer.headers.get("etag"), `"${version}"`);
    assert.ok((await answer.text()).length > 1000);
    for (const tag of [`"${version}"`, `W/"${version}"`]) {
      const known = await fetch(`${url}/socket.io/${file}`, { headers: { "if-none-match": tag } });
      assert.equal(known.status, 304);
    }
    const head = await fetch(`${url}/socket.io/${file}`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  }
  assert.equal((await fetch(`${url}/socket.io/package.json`)).status, 404);
});

test("bundles are not served with serveClient: false, and have CORS headers where cors is set", async (t) => {
  const off = await serve(t, { serveClient: false });
  assert.equal((await fetch(`${off.url}/socket.io/socket.io.js`)).status, 404);
  const shared = await serve(t, { cors: { origin: "https://app.example" }, path: "/io" });
  const answer = await fetch(`${shared.url}/io/socket.io.esm.min.js`);
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
});

test("a gateway serves the bundles where socket.serveClient says so", async (t) => {
  const path = "/socket.io/socket.io.min.js";
  const on = await testGateway(t, { socket: { serveClient: true } });
  const off = await testGateway(t);
  assert.equal((await fetch(`${on.url}${path}`)).status, 200);
  assert.equal((await fetch(`${off.url}${path}`)).status, 404);
});

test("a page of an allowed origin may import the bundles of a gateway", async (t) => {
  // Seen: no CORS headers at all, so that a browser refused the module. They were those of the option
  // `cors` alone, which a gateway does not have: its origins are a setting.
  const origins = ["https://app.example"];
  const { url } = await testGateway(t, { socket: { serveClient: true, origins } });
  const file = `${url}/socket.io/socket.io.esm.min.js`;
  for (const [origin, allowed] of [
    ["https://app.example", "https://app.example"],
    ["https://other.example", null],
  ] as const) {
    const whole = await fetch(file, { headers: { origin } });
    const etag = whole.headers.get("etag") ?? "";
    const known = await fetch(file, { headers: { origin, "if-none-match": etag } });
    assert.deepEqual([whole.status, known.status], [200, 304]);
    for (const { headers } of [whole, known]) {
      assert.equal(headers.get("access-control-allow-origin"), allowed);
      assert.equal(headers.get("vary"), "Origin");
    }
  }
});

test("a connection gets one bundle, however many it asks for at once", async (t) => {
  // Seen: 100 clients that read nothing had 1.1 GB kept for them by 50 requests of 60 bytes each.
  // uWebSockets.js goes on to the next request while an answer is still unsent.
  const { url } = await serve(t);
  const raw = await openTcp(Number(new URL(url).port));
  t.after(() => raw.socket.destroy());
  raw.write("GET /socket.io/socket.io.js HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
  await until(() => raw.isEnded, "the end of the connection");
  assert.equal(raw.unread.split("HTTP/1.1 200 OK").length - 1, 1);
  assert.match(raw.unread, /\r\nConnection: close\r\n/i);
});

test("a bundle that is not installed is a 404, and nobody's end", async (t) => {
  // Seen: in an image without source maps one GET for a .map ended the process. The file was read in a
  // handler of uWebSockets.js, where what throws is thrown at the process.
  const folder = mkdtempSync(join(ROOT, "node_modules", ".bare-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(ROOT, "src"), join(folder, "src"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  const [own, bare] = [ROOT, folder].map((at) => join(at, "node_modules/socket.io")) as [
    string,
    string,
  ];
  cpSync(join(own, "package.json"), join(bare, "package.json"));
  for (const name of ["dist", "wrapper.mjs"]) symlinkSync(join(own, name), join(bare, name));
  const args = ["--socket.port", "0", "--socket.host", "127.0.0.1", "--socket.serveClient", "true"];
  const run = startProcess(t, [
    ...[process.execPath, "--import", "tsx", join(folder, "src/main.ts"), ...args],
    ...["--handlers.onError", "exit", "--handlers.module", join(ROOT, "examples/chat.ts")],
  ]);
  const { port } = await run.line("port");
  const url = `http://127.0.0.1:${port}`;
  for (const file of CLIENT_FILES) {
    assert.equal((await fetch(`${url}/socket.io/${file}`)).status, 404, file);
  }
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]] as const) {
  test(`addTrailingSlash: false is honoured (${transports})`, async (t) => {
    // Seen: 404 for clients that were told the same; the engine was given the path alone.
    const { url } = await serve(t, { addTrailingSlash: false, path: "/io" });
    const options = { transports: [...transports], path: "/io", addTrailingSlash: false };
    const client = newClient(url, options as object);
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    assert.equal((await fetch(`${url}/io/?EIO=4&transport=polling`)).status, 404);
  });
}

for (const addTrailingSlash of [true, false]) {
  test(`path: "/" is honoured (addTrailingSlash: ${addTrailingSlash})`, async (t) => {
    // Seen: 404 for every client. Socket.IO keeps that path as "", which the engine took for none, and
    // served its own default instead.
    const { url } = await serve(t, { path: "/", addTrailingSlash });
    const gateway = await testGateway(t, { socket: { path: "/" } });
    for (const to of [url, gateway.url]) {
      for (const transports of [["polling"], ["websocket"]] as const) {
        const client = newClient(to, { transports: [...transports], path: "/" } as object);
        t.after(() => client.disconnect());
        await next(client.connect(), "connect");
      }
    }
    assert.equal((await fetch(`${url}/socket.io.js`)).status, 200);
    assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
  });
}

test("timings, sizes, upgrades, the first packet, the cookie and allowRequest are honoured", async (t) => {
  const { url } = await serve(t, {
    ...{ pingInterval: 1234, pingTimeout: 2345, maxHttpBufferSize: 3456, allowUpgrades: false },
    ...{ initialPacket: "hello", cookie: { name: "seat" }, transports: ["polling"] },
    allowRequest: (request, done) => done("no", request.headers["x-ticket"] === "1"),
  });
  const path = `${url}/socket.io/?EIO=4&transport=polling`;
  const ask = (headers: Record<string, string>) => fetch(path, { headers });
  assert.equal((await ask({})).status, 403);
  const answer = await ask({ "x-ticket": "1" });
  const [open = "", first] = (await answer.text()).split("\x1e");
  const { sid, ...rest } = JSON.parse(open.slice(1));
  assert.deepEqual(rest, {
    ...{ upgrades: [], pingInterval: 1234, pingTimeout: 2345, maxPayload: 3456 },
  });
  assert.equal(first, "4hello");
  assert.match(answer.headers.get("set-cookie") ?? "", new RegExp(`^seat=${sid};`));
  assert.equal((await fetch(path.replace("polling", "websocket"))).status, 400);
});
