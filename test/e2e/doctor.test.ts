/** `sluice doctor` looks for what the settings point at. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/core/settings.ts";
import { examine } from "../../src/gateway/doctor.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";

async function doctor(given: Parameters<typeof readSettings>[0], production = false) {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const sound = await examine(readSettings(given), { production, print });
  return { sound, text: lines.join("\n") };
}

test("it says whether Redis answers, and a start that needs it would fail without", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, timeoutMs: 300 };
  const here = await doctor({ cluster: { redisUrl: redis.url } });
  assert.match(here.text, /^ok {4}cluster\.redisUrl: Redis answers$/m);
  assert.equal(here.sound, true);
  redis.freeze(true);
  t.after(() => redis.freeze(false));
  const silent = await doctor({ cluster });
  assert.match(silent.text, /^bad {3}cluster\.redisUrl: no answer within 300 ms/m);
  assert.equal(silent.sound, false);
  await redis.kill();
  const away = await doctor({ cluster: { ...cluster, startup: "wait" } });
  assert.match(away.text, /^warn {2}cluster\.redisUrl: no answer within 300 ms/m);
  assert.equal(away.sound, true);
});

test("it says that a host is not this machine's", async () => {
  const other = await doctor({ socket: { host: "192.0.2.1" } });
  assert.match(other.text, /^bad {3}socket\.host = "192\.0\.2\.1": this machine does not have/m);
  assert.equal(other.sound, false);
});

test("it says whether the handler module is there, which a start needs", async () => {
  const missing = await doctor({ handlers: { module: "nope.js" } });
  assert.match(
    missing.text,
    /^bad {3}handlers\.module = "nope\.js": there is no file \/.*\/nope\.js$/m,
  );
  assert.equal(missing.sound, false);
  const folder = await doctor({ handlers: { module: "examples" } });
  assert.equal(folder.sound, false);
  const present = await doctor({ handlers: { module: "examples/chat.ts" } });
  assert.equal(present.sound, true, present.text);
});

test("it says whether each function's host accepts connections, once a host", async (t) => {
  const fn = await startFunction(t);
  const routes = [{ namespace: "/", url: `${fn.url}/{event}` }];
  const upstream = {
    url: fn.url,
    routes,
    secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwTheEnd0="],
  };
  const there = await doctor({ upstream });
  assert.equal(there.text.match(/^ok {4}upstream: .* accepts connections$/gm)?.length, 1);
  await fn.close();
  const gone = await doctor({ upstream });
  assert.match(gone.text, /^warn {2}upstream: http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/m);
  assert.equal(gone.sound, true);
});

test("it says whether the collector's host accepts connections", async (t) => {
  const collector = await startFunction(t);
  const there = await doctor({ trace: { otlpUrl: `${collector.url}/v1/traces` } });
  assert.match(
    there.text,
    /^ok {4}trace\.otlpUrl: http:\/\/127\.0\.0\.1:\d+ accepts connections$/m,
  );
  await collector.close();
  const gone = await doctor({ trace: { otlpUrl: collector.url } });
  assert.match(gone.text, /^warn {2}trace\.otlpUrl: .* connect ECONNREFUSED/m);
  assert.equal(gone.sound, true);
  const none = await doctor({ trace: { otlpUrl: "collector:4318" } });
  assert.match(
    none.text,
    /^bad {3}trace\.otlpUrl = "collector:4318": must be a URL with http or https$/m,
  );
  assert.equal(none.sound, false);
});

// In production it warned of a handler module that a gateway with functions does not need, and called
// sound what no gateway starts with.
test("in production it says what does not start, and who may come in", async () => {
  const nothing = await doctor({}, true);
  assert.match(nothing.text, /^bad {3}nothing answers events/m);
  assert.match(nothing.text, /^warn {2}auth\.mode is none/m);
  assert.equal(nothing.sound, false);
  const upstream = { url: "http://127.0.0.1:1", secrets: [SECRET] };
  for (const given of [{ upstream }, { handlers: { module: "examples/chat.ts" } }]) {
    const some = await doctor({ ...given, auth: { mode: "jwt", secret: "x".repeat(32) } }, true);
    assert.doesNotMatch(some.text, /nothing answers|auth\.mode/);
    assert.equal(some.sound, true);
  }
});
