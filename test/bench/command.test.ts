import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Server } from "socket.io";
import { ROOT } from "../../bench/rig/build.ts";
import { type Result, readResults } from "../../bench/rig/results.ts";
import chat from "../../examples/chat.ts";
import { createCertificates } from "../harness/certificates.ts";
import { testGateway } from "../harness/gateway.ts";

const folder = mkdtempSync(join(tmpdir(), "bench-load-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the benchmark's own process, as `npm run bench -- …` does. */
async function runBench(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "bench", "main.ts"), ...args],
    { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

async function runLoad(url: string, ...args: string[]): Promise<{ code: number | null } & Result> {
  const results = mkdtempSync(join(folder, "run-"));
  const common = ["--settle", "0.1", "--results", results];
  const { code, output } = await runBench("load", "--url", url, ...common, ...args);
  const [stored] = readResults(results);
  assert.ok(stored, output);
  return { code, ...stored.result };
}

/** A Socket.IO server that is none of ours: rooms, a secret, and a planted loss. */
async function startForeignServer(loseEvery = 0) {
  const http = createServer();
  const io = new Server(http);
  let count = 0;
  io.use((socket, next) => next(socket.handshake.auth.token === "t" ? undefined : new Error("no")));
  io.on("connection", (socket) => {
    socket.on("join", (room) => socket.join(room));
    socket.on("message", (room, text) => {
      if (loseEvery === 0 || ++count % loseEvery !== 0) socket.to(room).emit("message", { text });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const stop = () => new Promise<void>((resolve) => void io.close(() => resolve()));
  return { url: `http://127.0.0.1:${port}`, stop };
}

const AUTH = ["--auth", '{"token":"t"}'];
const SIZE = ["--clients", "8", "--senders", "2", "--rate", "100", "--seconds", "0.3"];

test("any Socket.IO server can be loaded, with auth and in order", async () => {
  const server = await startForeignServer();
  try {
    const { code, rounds } = await runLoad(server.url, ...AUTH, ...SIZE);
    const delivery = { expected: 240, received: 240, lost: 0, duplicated: 0, reordered: 0 };
    assert.deepEqual(rounds[0]?.delivery, delivery);
    assert.equal(rounds[0]?.latency?.count, 240);
    assert.equal(code, 0);
  } finally {
    await server.stop();
  }
});

test("a foreign server that loses messages is told so, by flag and exit code", async () => {
  const server = await startForeignServer(10);
  try {
    const { code, rounds, valid } = await runLoad(server.url, ...AUTH, ...SIZE);
    assert.equal(rounds[0]?.delivery?.lost, 24);
    assert.ok(rounds[0]?.flags?.some((flag) => flag.code === "lost"));
    assert.deepEqual([code, valid], [2, false]);
  } finally {
    await server.stop();
  }
});

test("a server that refuses the auth is a result without rounds that says why", async () => {
  const server = await startForeignServer();
  try {
    const { code, rounds, flags } = await runLoad(server.url, ...SIZE);
    assert.deepEqual([code, rounds.length], [1, 0]);
    assert.match(flags.map((flag) => flag.message).join(), /refused: .*no/);
  } finally {
    await server.stop();
  }
});

test("a gateway with TLS is loaded once its certificate is believed, and not before", async (t) => {
  const { certFile, keyFile } = createCertificates(t).make("load", ["127.0.0.1", "localhost"]);
  const gateway = await testGateway(t, { socket: { tls: { certFile, keyFile } } });
  chat(gateway.io);
  const url = `https://127.0.0.1:${gateway.port}`;
  const doubted = await runLoad(url, ...SIZE);
  assert.deepEqual([doubted.code, doubted.rounds.length], [1, 0]);
  assert.match(doubted.flags.map((flag) => flag.message).join(), /self-signed certificate/);
  const named = url.replace("127.0.0.1", "localhost");
  for (const [at, ...believed] of [
    [url, "--insecure"],
    [named, "--ca", certFile],
  ] as const) {
    const { code, rounds } = await runLoad(at, ...believed, ...SIZE);
    assert.deepEqual([rounds[0]?.delivery?.received, rounds[0]?.delivery?.lost], [240, 0]);
    assert.equal(code, 0);
  }
});

test("a scenario ends with a table, a valid file, a picture and exit 0", async () => {
  const results = mkdtempSync(join(folder, "run-"));
  const { code, output } = await runBench(
    ...["connect", "--quick", "--against", "bare", "--connections", "20"],
    ...["--results", results],
  );
  assert.equal(code, 0, output);
  assert.match(output, /subject +CPU per connection, µs/);
  assert.match(output, /-connect-ratios\.svg/);
  const [stored] = readResults(results);
  assert.deepEqual(stored?.result.subjects.map(({ name }) => name).sort(), ["bare", "ours"]);
});

test("Ctrl-C ends a run within moments and keeps what it has", async () => {
  const results = mkdtempSync(join(folder, "run-"));
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "bench", "main.ts"), "echo", "--against", "bare"].concat(
      "--results",
      results,
    ),
    { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] },
  );
  child.stderr.once("data", () => child.kill("SIGINT")); // the first line of progress
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  assert.equal(code, 130);
  const [stored] = readResults(results);
  assert.ok(stored?.result.flags.some((flag) => flag.code === "interrupted"));
});

test("a mistake on the command line is one sentence and exit 64", async () => {
  const { code, output } = await runBench("nosuch");
  assert.equal(code, 64);
  assert.match(output, /there is no scenario or command "nosuch"/);
});
