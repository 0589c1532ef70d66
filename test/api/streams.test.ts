import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandResult } from "../../src/core/command.ts";
import { SECRET, startApi, type TestApi } from "../harness/api.ts";
import { until } from "../harness/wait.ts";
import { readAnswer } from "../harness/wire-http.ts";
import { openTcp, type Tcp } from "../harness/wire-tcp.ts";

const NDJSON = { "content-type": "application/x-ndjson" };
const line = (n: number) => JSON.stringify({ do: "emit", event: `e${n}` });
const chunk = (text: string | Buffer) =>
  Buffer.concat([
    Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n`),
    Buffer.from(text),
    Buffer.from("\r\n"),
  ]);

/** Begins a stream on a raw connection. */
async function begin(api: TestApi): Promise<Tcp> {
  const raw = await openTcp(api.on.port);
  raw.write(api.head("/v1/commands", { ...NDJSON, "transfer-encoding": "chunked" }));
  return raw;
}
/** The answer's lines so far, out of its chunks. */
const linesOf = (raw: Tcp): string[] => raw.unread.match(/^[[{].*$/gm) ?? [];
/** All lines of an answer whose body has come to its proper end, with nothing after it. */
async function readWhole(raw: Tcp) {
  // Seen: a stream that the gateway ended had `Connection: close` in its body, in place of the end
  // of the last chunk. Told to close, uWebSockets.js wrote the header there, with both binaries.
  const { body } = await readAnswer(raw);
  assert.equal(raw.unread, "");
  raw.close("reset");
  return body
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text));
}

test("each line is answered by one line in its order, refused ones among the others", async () => {
  const api = await startApi();
  const bad = Buffer.concat([
    Buffer.from('{"do":"emit","event":"'),
    Buffer.from([0xff, 0x22, 0x7d]),
  ]);
  const body = Buffer.concat([
    Buffer.from(`${line(1)}\n[${line(2)},${line(3)}]\r\n\n  \nnot json\n`),
    bad,
    Buffer.from(
      `\n[${line(4)},{"do":"emit","event":""}]\n[]\n{"do":"emit","event":"ü"}\n${line(5)}`,
    ),
  ]);
  const answer = await api.post("/v1/commands", body, NDJSON);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/x-ndjson");
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));
  assert.deepEqual(lines[0], { ok: true });
  assert.deepEqual(lines[1], [{ ok: true }, { ok: true }]);
  assert.deepEqual([lines[2].ok, lines[2].code], [false, "API_BAD_BODY"]);
  assert.deepEqual([lines[3].ok, lines[3].code], [false, "API_BAD_BODY"]);
  assert.deepEqual([lines[4].code, lines[4].index, lines[4].path], ["COMMANDS_BAD", 1, "event"]);
  assert.deepEqual(lines.slice(5), [[], { ok: true }, { ok: true }]);
  assert.deepEqual(
    api.applied.map((command) => "event" in command && command.event),
    ["e1", "e2", "e3", "ü", "e5"],
  );
});

test("a line's result says what it says anywhere else: whether a key was found, and which", async () => {
  // Seen: `cancel` answered {"ok":true} on a stream, whether a command had waited or not. Only
  // results with answers or sockets were written whole.
  const results: CommandResult[] = [
    { ok: true, key: "turn" },
    { ok: true, cancelled: true },
    { ok: true, cancelled: false },
  ];
  const api = await startApi({}, { apply: async () => results });
  const cancel = { do: "cancel", key: "turn" };
  const commands = [{ do: "emit", event: "e", afterMs: 5, key: "turn" }, cancel, cancel];
  const lines = commands.map((command) => `${JSON.stringify(command)}\n`).join("");
  const streamed = await (await api.post("/v1/commands", lines, NDJSON)).text();
  const found = streamed.trim().split("\n");
  assert.deepEqual(
    found.map((text) => JSON.parse(text)),
    results,
  );
  assert.deepEqual(await (await api.post("/v1/commands", commands)).json(), results);
});

test("a stream ends soon after its token: what comes then is not carried out", async () => {
  // Seen: whoever kept a stream going could send commands for ever, by a token of a minute.
  let now = 1_000_000_000_000;
  const api = await startApi(
    { keys: [] },
    {
      now: () => now,
      checkToken: async () => ({ sub: "fn", exp: now / 1000 + 10, sluice: {} }),
    },
  );
  const raw = await openTcp(api.on.port);
  const token = { authorization: "Bearer a.b.c", "transfer-encoding": "chunked" };
  raw.write(api.head("/v1/commands", { ...NDJSON, ...token }));
  raw.write(chunk(`${line(1)}\n`));
  await until(() => linesOf(raw).length === 1, "the first answer");
  now += 14_999;
  raw.write(chunk(`${line(2)}\n`));
  await until(() => linesOf(raw).length === 2, "clocks may differ by five seconds");
  now += 1;
  raw.write(chunk(`${line(3)}\n`));
  const last = (await readWhole(raw)).at(-1);
  assert.deepEqual([last.ok, last.code], [false, "API_UNAUTHENTICATED"]);
  assert.match(last.detail, /expired/);
  assert.equal(api.applied.length, 2);
  assert.deepEqual(api.answered, ["commands 401"]);
});

test("a connection whose stream was read to its end carries the next request, also after a refusal", async () => {
  let now = 1_000_000_000_000;
  const checkToken = async () => ({ sub: "fn", exp: now / 1000 + 10, sluice: {} });
  const api = await startApi({ keys: [] }, { now: () => now, checkToken });
  const raw = await openTcp(api.on.port);
  const token = { authorization: "Bearer a.b.c", "transfer-encoding": "chunked" };
  const commands = () => raw.write(api.head("/v1/commands", { ...NDJSON, ...token }));
  commands();
  await until(() => api.on.http.open === 1, "the stream is open");
  now += 15_000;
  raw.write(`${chunk(line(1))}0\r\n\r\n`);
  assert.match((await readAnswer(raw)).body, /API_UNAUTHENTICATED/);
  commands();
  raw.write(`${chunk(line(2))}0\r\n\r\n`);
  assert.deepEqual(JSON.parse((await readAnswer(raw)).body), { ok: true });
  assert.equal(api.applied.length, 1);
  raw.close("reset");
});

test("lines cut anywhere, byte by byte, are the same lines, answered as they become whole", async () => {
  const api = await startApi();
  const raw = await begin(api);
  const text = Buffer.from(`${line(1)}\n{"do":"emit","event":"ö"}\n`);
  for (const byte of text) raw.write(chunk(Buffer.from([byte])));
  await until(() => linesOf(raw).length === 2, "two answers before the end of the body");
  raw.write(chunk(line(3)));
  raw.write("0\r\n\r\n");
  await until(() => raw.unread.endsWith("0\r\n\r\n"), "the end of the answer");
  assert.deepEqual(linesOf(raw), Array(3).fill('{"ok":true}'));
  assert.deepEqual(
    api.applied.map((command) => "event" in command && command.event),
    ["e1", "ö", "e3"],
  );
  raw.write(api.head("/v1/emit", { "content-length": 13 }));
  raw.write('{"event":"x"}');
  await until(() => api.applied.length === 4, "the connection takes the next request");
  raw.close();
});

test("commands of later lines start in order, and wait for nothing but what came before", async () => {
  const order: string[] = [];
  const gate: { open?: () => void } = {};
  const api = await startApi(
    {},
    {
      async apply(commands) {
        for (const command of commands) if ("event" in command) order.push(command.event);
        if (order.includes("slow") && !order.includes("after")) {
          await new Promise<void>((resolve) => {
            gate.open = resolve;
          });
        }
        return commands.map((): CommandResult => ({ ok: true }));
      },
    },
  );
  const raw = await begin(api);
  raw.write(chunk('{"do":"emitWithAck","event":"slow"}\n'));
  await until(() => gate.open !== undefined, "the slow one is being carried out");
  raw.write(chunk('{"do":"emit","event":"after"}\n'));
  raw.write("0\r\n\r\n");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ["slow"]);
  gate.open?.();
  await until(() => raw.unread.endsWith("0\r\n\r\n"), "the end of the answer");
  assert.deepEqual(order, ["slow", "after"]);
  raw.close();
});

test("a line of bodyBytesMax is taken; a longer one is refused and ends the stream", async () => {
  const api = await startApi({ bodyBytesMax: 1024 });
  const padded = (bytes: number) => line(1) + " ".repeat(bytes - line(1).length);
  const raw = await begin(api);
  raw.write(chunk(padded(1024)));
  raw.write(chunk(`\n${padded(1024)}`));
  await until(() => linesOf(raw).length === 1, "the first answer");
  raw.write(chunk(" "));
  const [first, second] = await readWhole(raw);
  assert.deepEqual(first, { ok: true });
  assert.equal(second.code, "API_BODY_TOO_LARGE");
  assert.equal(api.applied.length, 1);
  assert.equal(api.api.samples().openBodies, 0);
  assert.deepEqual(api.answered, ["commands 413"]);
});

test("a longer line that arrives whole is refused alone, and the next one is carried out", async () => {
  const api = await startApi({ bodyBytesMax: 1024 });
  const wide = (bytes: number) => {
    const start = '{"do":"emit","event":"x","args":["';
    return `${start}${"ü".repeat((bytes - start.length - 3) / 2)}"]}`;
  };
  const lines = [wide(1023), wide(1025), line(1)];
  assert.deepEqual(lines.map((text) => Buffer.byteLength(text)).slice(0, 2), [1023, 1025]);
  const answer = await api.post("/v1/commands", lines.join("\n"), NDJSON);
  const found = (await answer.text())
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));
  assert.deepEqual(
    found.map((one) => one.code ?? one.ok),
    [true, "API_BODY_TOO_LARGE", true],
  );
});

test("a stream that does not move for bodyMs is ended with a last line that says so", async () => {
  const api = await startApi({ bodyMs: 150 });
  const raw = await begin(api);
  raw.write(chunk(`${line(1)}\n{"do":`));
  const [first, last] = await readWhole(raw);
  assert.deepEqual([first.ok, last.code], [true, "API_BODY_TOO_SLOW"]);
  assert.equal(api.api.samples().openBodies, 0);
  assert.equal(api.on.http.open, 0);
});

test("a stream whose client leaves is given up, and what came before it left was done", async () => {
  const api = await startApi();
  const raw = await begin(api);
  raw.write(chunk(`${line(1)}\n{"do":`));
  await until(() => api.applied.length === 1, "the first line");
  raw.close();
  await until(() => api.api.samples().openBodies === 0, "nothing open");
  await until(() => api.answered.length === 1, "it is counted");
  assert.deepEqual(api.answered, ["commands 0"]);
  assert.equal(api.on.http.open, 0);
});

test("a client that does not read its answers is not read either, then cut; others go on", async () => {
  let done = 0;
  // Long answers: what the kernel takes of short ones is some hundred thousand lines.
  const long = [{ id: "s1", answer: "x".repeat(2000) }];
  const apply = async (commands: readonly unknown[]) => {
    done += commands.length;
    return commands.map((): CommandResult => ({ ok: true, answers: long }));
  };
  const api = await startApi({ bodyMs: 300 }, { apply });
  const raw = await begin(api);
  raw.socket.pause();
  const block = chunk(`${line(1)}\n`.repeat(2000));
  let stuck = false;
  const flood = () => {
    while (!stuck && !raw.isEnded) {
      if (!raw.socket.write(block)) {
        raw.socket.once("drain", flood);
        return;
      }
    }
  };
  flood();
  await until(() => api.answered.length === 1, "the stream is cut", 60_000);
  stuck = true;
  const before = done;
  assert.deepEqual(api.answered, ["commands 408"]);
  assert.equal((await api.post("/v1/emit", { event: "x" })).status, 200);
  assert.equal(done, before + 1);
  assert.equal(api.api.samples().openBodies, 0);
  raw.close();
});

test("stopping ends an open stream with a last line, and refuses what comes after it", async () => {
  const api = await startApi();
  const raw = await begin(api);
  raw.write(chunk(`${line(1)}\n`));
  await until(() => linesOf(raw).length === 1, "the first answer");
  api.api.stop();
  assert.equal((await readWhole(raw))[1].code, "API_STOPPING");
  const late = await api.post("/v1/emit", { event: "x" });
  assert.deepEqual([late.status, (await late.json()).code], [503, "API_STOPPING"]);
  assert.equal(late.headers.get("retry-after"), "1");
});

test("streams count among the bodies, and need a key for what each line asks", async () => {
  const api = await startApi({ bodiesMax: 1, keys: [`few:${SECRET}:emit:/news`] });
  const raw = await begin(api);
  raw.write(
    chunk(`{"do":"emit","namespace":"/news","event":"a"}\n${line(1)}\n{"do":"fetchSockets"}\n`),
  );
  await until(() => linesOf(raw).length === 3, "three answers");
  const lines = linesOf(raw).map((text) => JSON.parse(text));
  assert.deepEqual(
    lines.map((one) => one.code ?? one.ok),
    [true, "API_FORBIDDEN", "API_FORBIDDEN"],
  );
  assert.equal((await api.post("/v1/commands", "", NDJSON)).status, 503);
  raw.close();
  await until(() => api.api.samples().openBodies === 0, "the place is free");
  const denied = { ...NDJSON, authorization: "Bearer no" };
  assert.equal((await api.post("/v1/commands", line(1), denied)).status, 401);
  assert.equal(api.api.samples().openBodies, 0);
});

test("a cluster that cannot be reached refuses a stream at its beginning, and lines in its middle", async () => {
  let away: "API_NOT_READY" | undefined = "API_NOT_READY";
  const api = await startApi({}, { ready: () => away });
  const refused = await api.post("/v1/commands", line(1), NDJSON);
  assert.deepEqual([refused.status, (await refused.json()).code], [503, "API_NOT_READY"]);
  away = undefined;
  const raw = await begin(api);
  raw.write(chunk(`${line(1)}\n`));
  await until(() => linesOf(raw).length === 1, "the first answer");
  away = "API_NOT_READY";
  raw.write(chunk(`${line(2)}\n`));
  await until(() => linesOf(raw).length === 2, "the second answer");
  assert.equal(JSON.parse(linesOf(raw)[1] ?? "").code, "API_NOT_READY");
  assert.equal(api.applied.length, 1);
  raw.close();
});

test("an answer that cannot be written is refused alone; a fault of ours cuts the stream", async () => {
  let broken = false;
  const api = await startApi(
    {},
    {
      async apply(commands) {
        if (broken) throw new Error("a fault");
        const handshake = { address: "", issued: 0, secure: false, query: {} };
        return commands.map((command) =>
          command.do === "fetchSockets"
            ? {
                ok: true,
                sockets: [{ id: "a", rooms: [], data: {}, handshake }],
                next: 1n as never,
              }
            : { ok: true },
        );
      },
    },
  );
  const fetchSockets = { do: "fetchSockets" };
  const single = await api.post("/v1/commands", fetchSockets);
  assert.deepEqual([single.status, (await single.json()).code], [500, "COMMANDS_FAILED"]);
  const raw = await begin(api);
  raw.write(chunk(`${JSON.stringify(fetchSockets)}\n${line(1)}\n`));
  await until(() => linesOf(raw).length === 2, "two answers");
  const [first, second] = linesOf(raw).map((text) => JSON.parse(text));
  assert.deepEqual([first.code, second.ok], ["COMMANDS_FAILED", true]);
  broken = true;
  raw.write(chunk(`${line(2)}\n`));
  await until(() => raw.isEnded, "the connection ends");
  assert.doesNotMatch(raw.unread, /\r\n0\r\n\r\n|HTTP\/1.1 500/);
  assert.equal(api.on.logged.length, 1);
  assert.equal(api.on.http.open, 0);
  assert.equal(api.api.samples().openBodies, 0);
});

test("an Idempotency-Key does not go with a stream", async () => {
  const api = await startApi();
  const answer = await api.post("/v1/commands", line(1), { ...NDJSON, "idempotency-key": "k" });
  assert.deepEqual([answer.status, (await answer.json()).code], [400, "API_BAD_IDEMPOTENCY_KEY"]);
  assert.deepEqual(api.applied, []);
});
