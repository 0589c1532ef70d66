import assert from "node:assert/strict";
import { test } from "node:test";
import { nameSettings, readSettings, SettingsError } from "../../src/core/settings.ts";
import { mergeSettings, nameSources, type SettingSources } from "../../src/core/sources.ts";

const gather = (env: Record<string, string>) => mergeSettings({ flags: new Map(), env, file: {} });

function boundsOf(sources: SettingSources): string[] {
  try {
    mergeSettings(sources);
    return [];
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.problems.map(({ bound }) => bound);
  }
}

test("variables that Kubernetes sets for a Service named sluice are not settings", () => {
  // Seen: a pod beside a Service named sluice exited with 78. Kubernetes describes every Service
  // of a namespace to its pods in variables, and each was taken for a mistyped setting.
  const links = {
    SLUICE_SERVICE_HOST: "10.96.0.7",
    SLUICE_SERVICE_PORT: "3000",
    SLUICE_SERVICE_PORT_SOCKET: "3000",
    SLUICE_PORT: "tcp://10.96.0.7:3000",
    SLUICE_PORT_3000_TCP: "tcp://10.96.0.7:3000",
    SLUICE_PORT_3000_TCP_PROTO: "tcp",
    SLUICE_PORT_3000_TCP_PORT: "3000",
    SLUICE_PORT_3000_TCP_ADDR: "10.96.0.7",
    // A Service named sluice-api: its port as an address has the name of a setting.
    SLUICE_API_PORT: "tcp://10.96.0.8:9100",
  };
  const settings = readSettings(gather({ ...links, SLUICE_SOCKET_DRAIN_MS: "7" }));
  assert.deepEqual([settings.socket.drainMs, settings.api.port], [7, 0]);
});

test("PORT is heard beside a Service whose variable has the name of socket.port", () => {
  // Seen: the platform's port was ignored and 3000 used. The Service's address was passed over, but
  // counted as set where PORT was looked at.
  const link = { SLUICE_SOCKET_PORT: "tcp://10.96.0.7:3000" };
  assert.deepEqual(gather({ ...link, PORT: "8080" }), { socket: { port: 8080 } });
  assert.deepEqual(gather({ PORT: "8080", SLUICE_SOCKET_PORT: "9" }), { socket: { port: 9 } });
  const file = { socket: { port: 1 } };
  const env = { ...link, PORT: "8080" };
  assert.deepEqual(mergeSettings({ flags: new Map(), env, file }), { socket: { port: 8080 } });
});

test("no variable of Kubernetes for a Service is taken for a setting, whatever the Service is called", () => {
  const sections = nameSettings().map(({ path }) => path.split(".")[0]);
  for (const service of new Set(["SLUICE", ...sections.map((name) => `SLUICE_${name}`)])) {
    const prefix = service.toUpperCase();
    const links = {
      [`${prefix}_SERVICE_HOST`]: "fd00::7",
      [`${prefix}_SERVICE_PORT`]: "3000",
      [`${prefix}_SERVICE_PORT_HTTP_API`]: "3000",
      [`${prefix}_PORT`]: "tcp://[fd00::7]:3000",
      [`${prefix}_PORT_3000_UDP`]: "udp://[fd00::7]:3000",
      [`${prefix}_PORT_3000_UDP_PROTO`]: "udp",
      [`${prefix}_PORT_3000_UDP_PORT`]: "3000",
      [`${prefix}_PORT_3000_UDP_ADDR`]: "fd00::7",
    };
    assert.deepEqual(gather(links), {});
    for (const { env } of nameSettings()) {
      assert.ok(!(env in links) || env.endsWith("_PORT"), `${env} is a setting`);
    }
  }
});

test("a name for no setting is answered with the setting that was meant", () => {
  // Seen: --port suggested api.host, and --verbose a time of Redis. Only whole paths were compared,
  // and the nearest of them was named, however far it was.
  const meant = {
    port: "--socket.port",
    verbose: "--log.level debug",
    redis: "--cluster.redisUrl",
    "socket-port": "--socket.port",
    "socket.hots": "--socket.host",
    prot: "--socket.port", // it was socket.proxyProtocol, which has the word in it
    workers: "--cluster.workers",
    log: "--log.level",
    xyzzy: undefined,
  };
  for (const [flag, wanted] of Object.entries(meant)) {
    const bounds = boundsOf({ flags: new Map([[flag, "1"]]), env: {}, file: {} });
    const says = wanted ? `did you mean ${wanted}?` : "`sluice --settings` lists them";
    assert.ok(bounds.every((bound) => bound.endsWith(says)) && bounds.length === 1, `${bounds}`);
  }
  const variables = boundsOf({ flags: new Map(), env: { SLUICE_VERBOSE: "1" }, file: {} });
  assert.match(variables.join(), /did you mean SLUICE_LOG_LEVEL=debug\?$/);
  const file = boundsOf({ flags: new Map([["api.port", "x"]]), env: {}, file: { port: 1 } });
  assert.match(file.join(), /did you mean socket\.port\?$/);
});

test("a flag without a value is no text, and yes only where yes or no is asked", () => {
  // Seen: --auth.secret without one set the secret "true", and a module of that name was looked for.
  const flags = (...names: string[]) => new Map(names.map((name) => [name, undefined]));
  const on = mergeSettings({ flags: flags("socket.allowEio3"), env: {}, file: {} });
  assert.deepEqual(on, { socket: { allowEio3: true } });
  const names = ["auth.secret", "handlers.module", "socket.port", "socket.origins"];
  const bounds = boundsOf({ flags: flags(...names), env: {}, file: {} });
  assert.equal(bounds.length, names.length);
  for (const bound of bounds) assert.match(bound, /^needs a value, as in --\w+\.\w+=VALUE/);
});

test("a port that is no such address is a setting, or a mistake", () => {
  assert.deepEqual(gather({ SLUICE_API_PORT: "9100" }), { api: { port: 9100 } });
  for (const name of ["SLUICE_PORT", "SLUICE_SERVICE", "SLUICE_SOCKET_PORTS"]) {
    assert.throws(() => gather({ [name]: "3000" }), SettingsError);
  }
});

test("the variables of functions may stand beside the gateway's settings", () => {
  // Seen: the shell in which a function's variables were exported could not start the gateway.
  const own = { SLUICE_URL: "http://127.0.0.1:3000", SLUICE_KEY: "k", SLUICE_SECRET: "s" };
  assert.deepEqual(gather({ ...own, SLUICE_API_PORT: "9100" }), { api: { port: 9100 } });
});

test("what cannot be read, what is unknown and what is out of bounds are told at once", () => {
  // Seen: the last of them only at the next start. Bounds were looked at once all could be read.
  const sources = {
    flags: new Map([["socket.bufferBytesMax", "1"]]),
    env: { SLUICE_SOCKET_PORT: "abc", SLUICE_SOCKET_HOOST: "x" },
    file: { codec: { accept: "xml" } },
  };
  assert.throws(
    () => mergeSettings(sources),
    ({ problems }: SettingsError) => {
      assert.deepEqual(
        problems.map(({ path }) => path),
        ["socket.port", "SLUICE_SOCKET_HOOST", "socket.bufferBytesMax", "codec.accept"],
      );
      return true;
    },
  );
});

// Seen: `--port = (given): there is no such setting`, which reads as if the value were "(given)".
test("the message for a name that is no setting shows the name and no value", () => {
  assert.throws(
    () => mergeSettings({ flags: new Map([["port", "1"]]), env: {}, file: {} }),
    /: --port: there is no such setting; did you mean --socket\.port\?$/m,
  );
});

// Seen: "socket.port = 70000: must be 0…65535", and five files, variables and flags to search.
test("each wrong setting is told with the source that its value came from", () => {
  const sources: SettingSources = {
    flags: new Map([["socket.pingIntervalMs", "1"]]),
    env: { PORT: "70000", SLUICE_LOG_LEVEL: "loud", SLUICE_API_KEYS: "ops:hunter2" },
    file: {
      socket: { pingIntervalMs: 2, tls: { certFile: 3 } },
      upstream: { routes: [{ url: "" }] },
      log: { level: "quiet" },
      nope: 1,
    },
    fileName: "sluice.json",
  };
  const told = problemsIn(sources);
  assert.deepEqual(told, {
    "socket.port": "from PORT",
    "socket.pingIntervalMs": "from --socket.pingIntervalMs",
    "socket.tls.certFile": "from sluice.json",
    "log.level": "from SLUICE_LOG_LEVEL",
    "api.keys.0": "from SLUICE_API_KEYS",
    "upstream.routes.0.url": "from sluice.json",
    nope: "from sluice.json",
  });
  const later = [{ path: "socket.tls.keyFile", value: '""', bound: "must be set" }];
  const { message } = nameSources(new SettingsError(later), sources);
  assert.equal(
    message,
    'A setting is not usable: socket.tls.keyFile = "" (the default): must be set',
  );
});

function problemsIn(sources: SettingSources): Record<string, string | undefined> {
  try {
    readSettings(mergeSettings(sources));
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    const named = nameSources(error, sources);
    assert.doesNotMatch(named.message, /hunter2/);
    return Object.fromEntries(named.problems.map(({ path, source }) => [path, source]));
  }
  return {};
}

test("a text that cannot be parsed hides the weaker value of its setting", () => {
  const sources = { flags: new Map(), env: { PORT: "abc" }, file: { socket: { port: 70_000 } } };
  assert.throws(
    () => mergeSettings(sources),
    (error: SettingsError) => error.problems.length === 1 && error.problems[0]?.value === '"abc"',
  );
});

// Seen: the text of the variable, with the password of a URL in it.
test("JSON that cannot be parsed is told by its place, and nothing of it is shown", () => {
  const env = { SLUICE_UPSTREAM_ROUTES: '[{"url": "https://u:hunter2@fn"' };
  assert.throws(() => gather(env), {
    message:
      "A setting is not usable: upstream.routes (from SLUICE_UPSTREAM_ROUTES): must be JSON: " +
      "line 1, column 32: expected a comma or the end of a list or object",
  });
});
