import assert from "node:assert/strict";
import { test } from "node:test";
import { listSettings, SettingsError } from "../../src/core/settings.ts";
import { startOwn } from "../../src/gateway/gateway.ts";

const SECRET = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const ODD = ["nonsense", "localhost:6379", "/no/such/file", "a b\n", "\u0000x", "https://x:99999/"];

/** Settings beside which the setting of a path is used. */
function besideOf(path: string): Record<string, Record<string, unknown>> {
  const socket = { host: "127.0.0.1", port: 0, drainMs: 0 };
  const jwt = { mode: "jwt", secret: "x".repeat(32) };
  if (/^auth\.(secret|publicKey|jwksUrl)$/.test(path)) return { socket, auth: { mode: "jwt" } };
  if (path.startsWith("auth.")) return { socket, auth: jwt };
  if (path === "api.host") return { socket, api: { port: 1 } };
  if (path === "upstream.secrets") return { socket, upstream: { url: "http://127.0.0.1:1/" } };
  if (path.startsWith("upstream.")) {
    return { socket, upstream: { url: "http://127.0.0.1:1/", secrets: [SECRET] } };
  }
  // Of the Redis settings only files: the others are used when Redis answers.
  if (/^cluster\.redis\w+File$/.test(path)) {
    return { socket, cluster: { redisUrl: "rediss://127.0.0.1:1" } };
  }
  return { socket };
}

// Seen: cluster.redisUrl, its files and socket.host ended the start as errors of no kind, with exit
// code 1, after which a service manager starts again and again.
test("whatever text a setting has, the start works or says which setting is wrong", async () => {
  for (const { path, kind } of listSettings()) {
    if (kind !== "string" && kind !== "list") continue;
    for (const odd of ODD) {
      const given = besideOf(path);
      const [section = "", ...keys] = path.split(".");
      let value: unknown = kind === "list" ? [odd] : odd;
      for (const key of keys.slice(1).reverse()) value = { [key]: value };
      given[section] = { ...given[section], [keys[0] ?? ""]: value };
      try {
        const gateway = await startOwn(given, {});
        await gateway.stop();
      } catch (error) {
        // Without a name server, no name of a host is known to be wrong.
        if (String(error).includes("EAI_AGAIN")) continue;
        assert.ok(error instanceof SettingsError, `${path} = ${odd}: ${error}`);
        for (const problem of error.problems) {
          assert.match(problem.path, new RegExp(`^${section}\\.`), `${path} = ${odd}`);
        }
        // What a value has in it cannot look like another line.
        assert.doesNotMatch(error.message, /\n|\0/, `${path} = ${odd}`);
      }
    }
  }
});

test("all that is wrong beyond bounds is told at once, and no password", async () => {
  const given = {
    socket: { host: "192.0.2.1", port: 0, trustProxy: ["proxy"], origins: ["a.example"] },
    auth: { mode: "jwt", secret: "hunter2" },
    api: { keys: ["a:0123456789abcdef", "a:fedcba9876543210"], jwtSecret: "hunter2" },
    cluster: { redisUrl: "redis+cluster://user:hunter2/x@redis:6379" },
    upstream: { url: "https://user:hunter2@fn.example/?key=hunter2", secrets: [SECRET] },
    handlers: { module: "nowhere.mjs" },
    trace: { otlpUrl: "//user:hunter2@collector" },
  } as const;
  await assert.rejects(startOwn(given as never, {}), (error: Error) => {
    assert.ok(error instanceof SettingsError);
    assert.doesNotMatch(error.message, /hunter2/);
    assert.deepEqual(error.problems.map(({ path }) => path).sort(), [
      ...["api.jwtSecret", "api.keys", "auth.secret", "cluster.redisUrl", "handlers.module"],
      ...["socket.host", "socket.origins", "socket.trustProxy", "trace.otlpUrl", "upstream.url"],
    ]);
    return true;
  });
});

test("a URL of Redis that would be read as another one is refused", async () => {
  // Seen: with a path that is no number, SELECT NaN was refused by Redis, nobody was told, and the
  // node used database 0. A part of a password with a slash in it was printed as a host.
  const urls = [
    ...["redis://127.0.0.1:99999", "redis://:p%ZZ@127.0.0.1", "redis://:a/b@127.0.0.1"],
    ...["redis://127.0.0.1/main", "redis://127.0.0.1?db=main", "redis+sentinel://a,,b/main"],
    ...["redis+sentinel://127.0.0.1:99999/main", "redis+cluster://u:hunter2/x@127.0.0.1"],
  ];
  for (const redisUrl of urls) {
    const given = { socket: { port: 0 }, cluster: { redisUrl } };
    await assert.rejects(startOwn(given, {}), (error: Error) => {
      assert.match(error.message, /^A setting is not usable: cluster\.redisUrl = \(secret\): /);
      return !error.message.includes("hunter2");
    });
  }
});

// Seen: a password with a slash was printed, because it ends the host of a URL; and the key itself,
// where it was given in place of its file.
test("no secret in a URL or in place of a file is told", async () => {
  const pem = "\n-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
  const wrong: Readonly<Record<string, object>> = {
    'upstream.url = "https://***@fn/?…"': { upstream: { url: "https://u:hunter2/@x@fn/?hunter2" } },
    'trace.otlpUrl = "***@h"': { trace: { otlpUrl: "u:hunter2@h" } },
    'upstream.routes = {"url":"//***@h"}': { upstream: { routes: { url: "//u:hunter2@h" } } },
    'socket.tls.certFile = "(PEM)"': { socket: { tls: { certFile: pem, keyFile: "a.key" } } },
    'auth.publicKey = "(PEM)"': { auth: { mode: "jwt", publicKey: pem } },
  };
  for (const [says, given] of Object.entries(wrong)) {
    await assert.rejects(startOwn(given, {}), (error: Error) => {
      assert.ok(error.message.includes(`not usable: ${says}: `), error.message);
      return !error.message.includes("hunter2");
    });
  }
});
