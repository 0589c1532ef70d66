import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createPoster, type Post, type Posted } from "../../src/upstream/post.ts";
import { until } from "../harness/wait.ts";

/** What has been sent arrives. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A server that answers whatever it gets as a test says. */
async function startServer(t: TestContext, answer: (socket: Socket, count: number) => void) {
  const sockets: Socket[] = [];
  const heard: string[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      heard.push(bytes.toString());
      answer(socket, heard.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return { origin: `http://127.0.0.1:${port}`, sockets, heard };
}

function openPoster(t: TestContext, origin: string) {
  const poster = createPoster(origin, { answerBytesMax: 1000, timeoutMs: 10_000 });
  t.after(() => poster.close());
  const given: Post = {
    path: "/",
    headers: ["a", "b"],
    body: Buffer.from("{}"),
    timeoutMs: 10_000,
  };
  return {
    ...poster,
    send: (more: Partial<Post> = {}) =>
      new Promise<Posted>((resolve) => poster.post({ ...given, ...more }, resolve)),
  };
}

const bodyOf = (posted: Posted) =>
  "answer" in posted ? String(posted.answer.body) : posted.failed;

test("requests one after the other share a connection, and those at once have one each", async (t) => {
  const { origin, sockets } = await startServer(t, (socket) => socket.write(OK));
  const { send } = openPoster(t, origin);
  for (let n = 0; n < 3; n++) assert.equal(bodyOf(await send()), "ok");
  assert.equal(sockets.length, 1);
  await Promise.all([send(), send(), send()]);
  assert.equal(sockets.length, 3);
});

test("bytes that come unasked never become the answer to the next request", async (t) => {
  const poison = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
  const { origin, sockets } = await startServer(t, (socket, count) =>
    // First behind an answer in one piece, then alone.
    socket.write(count === 1 ? OK + poison : OK),
  );
  const { send } = openPoster(t, origin);
  assert.equal(bodyOf(await send()), "ok");
  assert.equal(bodyOf(await send()), "ok");
  assert.equal(sockets.length, 2);
  await new Promise<void>((resolve) => sockets[1]?.write(poison, () => resolve()));
  await nextTurn();
  assert.equal(bodyOf(await send()), "ok");
  assert.equal(sockets.length, 3);
});

test("a connection that its server has ended is not used again", async (t) => {
  const { origin, sockets } = await startServer(t, (socket) => socket.write(OK));
  const { send } = openPoster(t, origin);
  assert.equal(bodyOf(await send()), "ok");
  await new Promise<void>((resolve) => sockets[0]?.end(resolve));
  await nextTurn();
  assert.equal(bodyOf(await send()), "ok");
  assert.equal(sockets.length, 2);
});

test("an answer may end with its connection, and one that is cut off is none", async (t) => {
  const { origin } = await startServer(t, (socket, count) =>
    socket.end(
      count === 1
        ? "HTTP/1.1 200 OK\r\n\r\nwhole"
        : "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    ),
  );
  const { send } = openPoster(t, origin);
  assert.equal(bodyOf(await send()), "whole");
  assert.deepEqual(await send(), { failed: "unreachable", detail: "UND_ERR_SOCKET" });
});

test("what cannot be read, is too large, late or given up, ends its connection", async (t) => {
  const answers: Record<string, string> = {
    "/bad": "SSH-2.0-OpenSSH\r\n\r\n",
    "/large": "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n",
    "/ok": OK,
  };
  const { origin, sockets, heard } = await startServer(t, (socket) => {
    const path = heard.at(-1)?.split(" ")[1] ?? "";
    socket.write(answers[path] ?? "");
  });
  const { send, post } = openPoster(t, origin);
  assert.equal(bodyOf(await send({ path: "/bad" })), "unreachable");
  assert.deepEqual(await send({ path: "/large" }), { failed: "too_large" });
  assert.deepEqual(await send({ path: "/silent", timeoutMs: 20 }), { failed: "timeout" });
  const given = new Promise<Posted>((resolve) => {
    const whole = { path: "/given-up", headers: [], body: Buffer.from("{}"), timeoutMs: 10_000 };
    const giveUp = post(whole, resolve);
    void until(() => heard.at(-1)?.includes("/given-up") === true, "it is sent").then(giveUp);
  });
  assert.deepEqual(await given, { failed: "aborted" });
  assert.equal(bodyOf(await send({ path: "/ok" })), "ok");
  await until(() => sockets.slice(0, -1).every(({ destroyed }) => destroyed), "they are closed");
});

test("a header or path that would be more than one is not sent", async (t) => {
  const { origin, heard } = await startServer(t, (socket) => socket.write(OK));
  const { send } = openPoster(t, origin);
  const bad = { failed: "unreachable", detail: "UND_ERR_INVALID_ARG" };
  assert.deepEqual(await send({ headers: ["a", "b\r\nc: d"] }), bad);
  assert.deepEqual(await send({ headers: ["a", "é\ud800"] }), bad);
  assert.deepEqual(await send({ path: "/ HTTP/1.1\r\n" }), bad);
  assert.equal(heard.length, 0);
});

test("a request that is large goes out whole", async (t) => {
  let bytes = 0;
  const { origin } = await startServer(t, (socket) => {
    bytes += socket.bytesRead - bytes;
    if (bytes > 3_000_000) socket.write(OK);
  });
  const { send } = openPoster(t, origin);
  assert.equal(bodyOf(await send({ body: Buffer.alloc(3_000_000, "a") })), "ok");
});

test("a close ends what is open, and leaves no connection", async (t) => {
  const { origin, sockets } = await startServer(t, (socket, count) => {
    if (count === 1) socket.write(OK);
  });
  const { send, close } = openPoster(t, origin);
  await send();
  const open = [send(), send()];
  await until(() => sockets.length === 2, "both are sent");
  await close();
  assert.deepEqual(await Promise.all(open), [{ failed: "aborted" }, { failed: "aborted" }]);
  await until(() => sockets.every((socket) => socket.destroyed), "they are closed");
});

test("a request that is given up before its connection stands holds up no other", async (t) => {
  const { origin, heard } = await startServer(t, (socket) => socket.write(OK));
  const { send, post } = openPoster(t, origin);
  const given: Posted[] = [];
  const whole = { path: "/gone", headers: [], body: Buffer.from("{}"), timeoutMs: 10_000 };
  const giveUp = post(whole, (posted) => given.push(posted));
  giveUp();
  giveUp();
  assert.deepEqual(given, [{ failed: "aborted" }]);
  assert.equal(bodyOf(await send()), "ok");
  assert.equal(given.length, 1);
  assert.equal(heard.length, 1);
});
