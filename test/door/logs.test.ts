import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Log, LogFields } from "../../src/core/log.ts";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { JWT, nowS, signToken, TOKEN_SECRET } from "../harness/tokens.ts";
import { next, until } from "../harness/wait.ts";

/** A log that keeps every line with everything in it, as deep as it goes. */
function createRecord() {
  const lines: { level: string; fields: LogFields; text: string; whole: string }[] = [];
  const log: Log = (level, fields, text) => {
    const whole = inspect([level, fields, text], { depth: null, maxStringLength: null });
    lines.push({ level, fields, text, whole });
  };
  return { lines, log, whole: () => lines.map((line) => line.whole).join("\n") };
}

test("no line holds a token, a secret, a cookie or a payload, whatever happens to them", async (t) => {
  const { log, lines, whole } = createRecord();
  const limits = { eventsPerSecond: 1, eventsBurst: 20, roomBytesMax: 8, queryBytesMax: 1000 };
  const gateway = await testGateway(
    t,
    { auth: { ...JWT, tokenFrom: ["auth", "header", "query"], tokenBytesMax: 600 }, limits },
    { log, production: true },
  );
  gateway.io.on("connection", (socket) => {
    socket.on("join", (room, done) => {
      void socket.join(room);
      done();
    });
  });
  const valid = await signToken({ sub: "ann", exp: nowS() + 2 });
  const tokens = [
    valid,
    await signToken({ sub: "ann", exp: nowS() + 3 }),
    await signToken({ sub: "bob" }),
    await signToken({ sub: "ann", exp: nowS() - 9 }),
    await signToken({ sub: "ann" }, "some other secret, 32 bytes or more"),
    `${valid}broken`,
    "t".repeat(700),
  ];
  for (const token of tokens.slice(2)) {
    if (token !== tokens[2])
      await next(gateway.client({ auth: { token } }).connect(), "connect_error");
  }
  const headers = { authorization: `Bearer ${tokens[4]}` };
  await next(gateway.client({ headers }).connect(), "connect_error");
  await next(gateway.client({ query: { token: `${tokens[4]}` } }).connect(), "connect_error");
  const client = await gateway.connected({ auth: { token: valid } });
  for (const token of tokens.slice(1)) await client.emitWithAck("token_refresh", token);
  await client.emitWithAck("join", "a room whose name is a payload");
  for (let i = 0; i < 30; i++) client.emit("x", "payload in an event");
  await ask(`${gateway.url}/socket.io/?EIO=4&transport=polling&x=${tokens[4]}${"x".repeat(1000)}`, {
    headers: { cookie: "session=payload-in-a-cookie", origin: "https://evil.example" },
  });
  if (client.connected) await next(client, "disconnect");
  await until(() => lines.length > 8, "lines were written");
  const codes = new Set(lines.map(({ fields }) => fields.code));
  for (const code of ["AUTH_INVALID", "AUTH_EXPIRED", "AUTH_TOO_LONG", "LIMIT_ROOM_NAME"]) {
    assert.ok(codes.has(code), `${code} was logged`);
  }
  for (const secret of [...tokens, TOKEN_SECRET]) {
    // Parts too: a token's signature alone is as secret as the whole.
    for (const part of secret.split(".")) {
      assert.ok(!whole().includes(part.slice(0, 30)), `logged: ${part.slice(0, 30)}`);
    }
  }
  assert.ok(!whole().includes("payload"), "no payload");
});

test("a flood of refusals is a line per kind and second, and the next says how many were not", async (t) => {
  const { log, lines } = createRecord();
  const gateway = await testGateway(t, { limits: { queryBytesMax: 64 } }, { log });
  const url = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const refuse = () => ask(`${url}&x=${"x".repeat(64)}`);
  const written = () => lines.filter(({ fields }) => fields.code === "LIMIT_QUERY");
  const began = Date.now();
  for (let i = 0; i < 60; i++) await refuse();
  const seconds = Math.ceil((Date.now() - began) / 1000);
  assert.ok(written().length <= seconds, `${written().length} lines in ${seconds} s`);
  await ask(url, { headers: { origin: "https://evil.example" } });
  const other = lines.filter(({ fields }) => fields.code === "ORIGIN_FORBIDDEN");
  assert.equal(other.length, 1, "another kind has a line of its own");
  await until(async () => {
    await refuse();
    return written().some(({ fields }) => Number(fields.suppressed) > 0);
  }, "the next line counts those that were held back");
});
