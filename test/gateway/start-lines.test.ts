import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields } from "../../src/core/log.ts";
import { readSettings } from "../../src/core/settings.ts";
import { listStartLines } from "../../src/gateway/start-lines.ts";
import { testGateway } from "../harness/gateway.ts";
import { JWT } from "../harness/tokens.ts";

function say(
  given: Parameters<typeof readSettings>[0],
  { example = false, production = false } = {},
): string[] {
  const lines = listStartLines(readSettings(given), { example, production });
  return lines.map(({ level, fields, text }) => `${level} ${fields.component}: ${text}`);
}

test("the start names the handler module, or says that it is the example", () => {
  const [own] = say({ handlers: { module: "./chat.js" } });
  assert.equal(own, "info handlers: events go to the module ./chat.js");
  const [chat] = say({ handlers: { module: "/x/examples/chat.ts" } }, { example: true });
  assert.match(chat ?? "", /^info handlers: events go to the chat example; set handlers\.module/);
});

test("the start names each function, without what its query may hold, and at most ten", () => {
  const url = "https://f.example/call?key=s3cret";
  const rest = { url, namespaces: ["/", "/game-*"] };
  const row = { namespace: "/chat", event: "join", url: "https://j.example/{event}?code=s3cret" };
  assert.deepEqual(say({ upstream: { ...rest, routes: [row] } }).slice(0, 3), [
    "info upstream: event join of /chat to https://j.example/{event}",
    "info upstream: events of / to https://f.example/call",
    "info upstream: events of /game-* to https://f.example/call",
  ]);
  const lines = listStartLines(readSettings({ upstream: { routes: Array(13).fill(row) } }), {
    example: false,
    production: false,
  });
  assert.equal(lines.length, 12, "ten functions, how many more, and who may connect");
  assert.match(lines[10]?.text ?? "", /^and 3 more/);
  assert.ok(!JSON.stringify(lines).includes("s3cret"));
});

test("the start says who may connect: with which mode, and from which pages", () => {
  assert.match(say({}).at(-1) ?? "", /^info door: auth\.mode is none: anyone .*of this host$/);
  assert.match(say({}, { production: true }).at(-1) ?? "", /^warn door: auth\.mode is none/);
  const jwt = { auth: JWT, socket: { origins: ["https://a.example"], originless: false } };
  assert.match(
    say(jwt, { production: true }).at(-1) ?? "",
    /^info door: auth\.mode is jwt: .*token .*this host, https:\/\/a\.example, and nothing that/,
  );
  const any = { auth: { mode: "upstream" }, socket: { origins: ["*"] } };
  assert.match(say(any).at(-1) ?? "", /function decides .* pages of every host$/);
});

test("a gateway says all of it once it listens", async (t) => {
  const lines: string[] = [];
  const log = (_level: string, { component }: LogFields) => void lines.push(component);
  await testGateway(t, {}, { log });
  assert.deepEqual(lines, ["gateway", "door"]);
});
