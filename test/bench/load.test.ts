import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Server } from "socket.io";
import { ROOT } from "../../bench/rig/build.ts";
import { type Result, readResults } from "../../bench/rig/results.ts";
import chat from "../../examples/chat.ts";
import { createCertificates } from "../harness/certificates.ts";
import { testGateway } from "../harness/gateway.ts";
import { resultsFolder, runBench } from "./run-bench.ts";

async function runLoad(
  t: TestContext,
  url: string,
  ...args: string[]
): Promise<{ code: number | null } & Result> {
  const results = resultsFolder(t);
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

test("any Socket.IO server can be loaded, with auth and in order", async (t) => {
  const server = await startForeignServer();
  try {
    const { code, rounds } = await runLoad(t, server.url, ...AUTH, ...SIZE);
    const delivery = { expected: 240, received: 240, lost: 0, duplicated: 0, reordered: 0 };
    assert.deepEqual(rounds[0]?.delivery, delivery);
    assert.equal(rounds[0]?.latency?.count, 240);
    assert.equal(code, 0);
  } finally {
    await server.stop();
  }
});

test("a load without a folder for its files leaves nothing that git sees", async () => {
  const server = await startForeignServer();
  try {
    const { code, output } = await runBench("load", "--url", server.url, ...AUTH, ...SIZE);
    assert.equal(code, 0, output);
    const files = [...output.matchAll(/^ {2}(\S+-load\S*\.(?:json|svg))$/gm)].map(
      ([, file]) => file,
    );
    assert.ok(files.length > 0, output);
    // Read, not asked of git: an unpacked archive is no clone.
    const ignored = readFileSync(join(ROOT, ".gitignore"), "utf8").split("\n");
    assert.ok(ignored.includes("bench/results/local/"));
    for (const file of files) {
      assert.match(file ?? "", /^bench\/results\/local\//);
      rmSync(join(ROOT, file ?? ""));
    }
  } finally {
    await server.stop();
  }
});

test("a foreign server that loses messages is told so, by flag and exit code", async (t) => {
  const server = await startForeignServer(10);
  try {
    const { code, rounds, valid } = await runLoad(t, server.url, ...AUTH, ...SIZE);
    assert.equal(rounds[0]?.delivery?.lost, 24);
    assert.ok(rounds[0]?.flags?.some((flag) => flag.code === "lost"));
    assert.deepEqual([code, valid], [2, false]);
  } finally {
    await server.stop();
  }
});

test("a server that refuses the auth is a result without rounds that says why", async (t) => {
  const server = await startForeignServer();
  try {
    const { code, rounds, flags } = await runLoad(t, server.url, ...SIZE);
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
  const doubted = await runLoad(t, url, ...SIZE);
  assert.deepEqual([doubted.code, doubted.rounds.length], [1, 0]);
  assert.match(doubted.flags.map((flag) => flag.message).join(), /self-signed certificate/);
  const named = url.replace("127.0.0.1", "localhost");
  for (const [at, ...believed] of [
    [url, "--insecure"],
    [named, "--ca", certFile],
  ] as const) {
    const { code, rounds } = await runLoad(t, at, ...believed, ...SIZE);
    assert.deepEqual([rounds[0]?.delivery?.received, rounds[0]?.delivery?.lost], [240, 0]);
    assert.equal(code, 0);
  }
});
