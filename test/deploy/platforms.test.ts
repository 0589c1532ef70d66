import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse as parseToml } from "smol-toml";
import { parse } from "yaml";
import { listSettings, readSettings, type Settings } from "../../src/core/settings.ts";
import { mergeSettings } from "../../src/core/sources.ts";
import { createAddressReader } from "../../src/door/address.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
const read = (path: string) => readFileSync(join(DEPLOY, path), "utf8");

/** What the demo function is told, by the names of its own. */
const OF_FUNCTIONS = new Set(["SLUICE_SECRET", "SLUICE_URL", "SLUICE_KEY"]);

/** How long buffers may flush after the drain (`FLUSH_MS` of the gateway), and room to exit. */
const AFTER_DRAIN_MS = 1500 + 1000;

interface Platform {
  readonly env: Readonly<Record<string, string>>;
  /** Time from SIGTERM to SIGKILL, and what a hook before SIGTERM takes of it. */
  readonly graceMs: number;
  readonly hookMs?: number;
}

interface NamedValue {
  readonly name: string;
  readonly value?: string;
}

const pairs = (list: readonly NamedValue[]) =>
  Object.fromEntries(list.flatMap(({ name, value }) => (value ? [[name, value]] : [])));

/** Fills `${NAME}`, `${NAME:-default}` and `${NAME-default}` in as Compose does. */
function fillIn(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)(?:(:?)-([^}]*))?\}/g, (_all, name, colon, byDefault = "") => {
    const value = env[name];
    return value === undefined || (colon === ":" && value === "") ? byDefault : value;
  });
}

function readEnvFile(path: string): Record<string, string> {
  const lines = read(path).matchAll(/^([A-Z_]+)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = "", value = ""]) => [name, value]));
}

function readCompose(env: Readonly<Record<string, string>>): ComposeFile["services"] {
  const { services } = parse(read("compose/compose.yaml")) as ComposeFile;
  // Compose fills values in once the file is read, so what is filled in stays a text.
  for (const { environment } of [services.gateway, services.functions])
    for (const [name, value] of Object.entries(environment)) environment[name] = fillIn(value, env);
  return services;
}

// The casts below hold because the platforms' own schemas are checked in schemas.test.ts.
const PLATFORMS: Readonly<Record<string, () => Platform>> = {
  compose() {
    const { gateway } = readCompose({});
    return {
      env: gateway.environment,
      graceMs: Number.parseInt(gateway.stop_grace_period, 10) * 1000,
    };
  },
  kubernetes() {
    const { spec } = (parse(read("kubernetes/deployment.yaml")) as DeploymentFile).spec.template;
    const [container] = spec.containers;
    assert.ok(container);
    const hookMs = Number(container.lifecycle.preStop.exec.command[1]) * 1000;
    const graceMs = spec.terminationGracePeriodSeconds * 1000;
    return { env: pairs(container.env), graceMs, hookMs };
  },
  fly() {
    const file = parseToml(read("fly/fly.toml")) as unknown as FlyFile;
    return { env: file.env, graceMs: file.kill_timeout * 1000 };
  },
  "cloud-run"() {
    const { spec } = (parse(read("cloud-run/service.yaml")) as DeploymentFile).spec.template;
    return { env: pairs(spec.containers[0]?.env ?? []), graceMs: 10_000 };
  },
  systemd() {
    const seconds = /^TimeoutStopSec=(\d+)$/m.exec(read("systemd/sluice.service"))?.[1];
    return {
      env: readEnvFile("systemd/sluice.env"),
      graceMs: Number(seconds) * 1000,
    };
  },
};

interface ComposeFile {
  services: {
    gateway: { environment: Record<string, string>; stop_grace_period: string };
    functions: { environment: Record<string, string>; profiles: string[] };
  };
}
interface DeploymentFile {
  spec: {
    template: {
      spec: {
        terminationGracePeriodSeconds: number;
        timeoutSeconds: number;
        containers: {
          env: NamedValue[];
          lifecycle: { preStop: { exec: { command: string[] } } };
        }[];
      };
    };
  };
}
interface FlyFile {
  env: Record<string, string>;
  kill_timeout: number;
}

function settingsOf(platform: Platform): Settings {
  return readSettings(mergeSettings({ flags: new Map(), env: platform.env, file: {} }));
}

test("every SLUICE_ variable that a file of deploy/ names is a setting", () => {
  const known = new Set(listSettings().map((row) => row.env));
  const files = readdirSync(DEPLOY, { recursive: true, encoding: "utf8" }).filter((path) =>
    /\.(ya?ml|toml|service|env|cfg|conf|md|mjs)$/.test(path),
  );
  const wrong: string[] = [];
  let found = 0;
  for (const file of [...files, "../Dockerfile"]) {
    for (const [name] of read(file).matchAll(/\bSLUICE_[A-Z0-9_]+[A-Z0-9]\b/g)) {
      found += 1;
      const ours = OF_FUNCTIONS.has(name); // not of the gateway
      if (!known.has(name) && !ours) wrong.push(`${file}: ${name}`);
    }
  }
  assert.ok(found > 20);
  assert.deepEqual(wrong, []);
});

for (const [name, readPlatform] of Object.entries(PLATFORMS)) {
  test(`${name}: the gateway accepts the settings, and drains within the platform's grace`, () => {
    const platform = readPlatform();
    assert.ok(Object.keys(platform.env).some((key) => key.startsWith("SLUICE_")));
    const { socket, upstream } = settingsOf(platform);
    const drainsMs = socket.drainMs + upstream.drainMs;
    const needed = (platform.hookMs ?? 0) + drainsMs + AFTER_DRAIN_MS;
    assert.ok(platform.graceMs >= needed, `needs ${needed} ms, has ${platform.graceMs}`);
  });
}

/** What stands in X-Forwarded-For behind each platform's proxies when the client wrote 6.6.6.6. */
const FORWARDED: Readonly<Record<string, string>> = {
  compose: "6.6.6.6, 172.18.0.1",
  fly: "6.6.6.6, 172.18.0.1, 66.241.124.1",
  "cloud-run": "6.6.6.6, 172.18.0.1",
};

test("behind a platform's proxy each client is counted by an address it cannot choose", () => {
  // Seen: all clients of the compose project counted as HAProxy, and the log said so. None of the
  // files named the proxy that they put before the gateway.
  for (const [name, forwarded] of Object.entries(FORWARDED)) {
    const platform = PLATFORMS[name]?.() ?? { env: {}, graceMs: 0 };
    const readAddress = createAddressReader(settingsOf(platform).socket);
    const headers = { "x-forwarded-for": forwarded };
    const address = readAddress({ headers, address: "172.18.0.9", proxiedAddress: "" });
    assert.equal(address, "172.18.0.1", name);
  }
});

test("compose: with functions.env the gateway calls the function, and each knows the other", () => {
  const given = readEnvFile("compose/functions.env");
  const { gateway, functions } = readCompose(given);
  const { upstream, api, handlers } = settingsOf({ env: gateway.environment, graceMs: 0 });
  assert.deepEqual(functions.profiles, [given.COMPOSE_PROFILES]);
  assert.equal(handlers.module, "");
  assert.equal(upstream.url, `http://functions:${functions.environment.PORT}/call`);
  assert.deepEqual(upstream.secrets, [functions.environment.SLUICE_SECRET]);
  assert.equal(functions.environment.SLUICE_URL, `http://gateway:${api.port}`);
  assert.equal(api.keys[0]?.split(":")[1], functions.environment.SLUICE_KEY);
  const without = settingsOf({ env: readCompose({}).gateway.environment, graceMs: 0 });
  assert.equal(without.upstream.url, "");
  assert.notEqual(without.handlers.module, "");
});

test("Cloud Run: connections end before the platform cuts them", () => {
  const { spec } = (parse(read("cloud-run/service.yaml")) as DeploymentFile).spec.template;
  const { socket } = settingsOf(PLATFORMS["cloud-run"]?.() ?? { env: {}, graceMs: 0 });
  assert.ok(socket.connectionAgeMaxMs > 0);
  assert.ok(socket.connectionAgeMaxMs + socket.pingIntervalMs < spec.timeoutSeconds * 1000);
});

test("the proxies' timeouts are longer than a heartbeat and its answer may take", () => {
  const { pingIntervalMs, pingTimeoutMs } = readSettings({}).socket;
  const seconds = (file: string, line: RegExp) => Number(line.exec(read(file))?.[1]);
  const found = [
    seconds("haproxy/haproxy.cfg", /timeout client (\d+)s/),
    seconds("haproxy/haproxy.cfg", /timeout server (\d+)s/),
    seconds("compose/haproxy.cfg", /timeout client (\d+)s/),
    seconds("compose/haproxy.cfg", /timeout server (\d+)s/),
    seconds("nginx/nginx.conf", /proxy_read_timeout (\d+)s/),
    seconds("nginx/nginx.conf", /proxy_send_timeout (\d+)s/),
  ];
  for (const one of found) assert.ok(one * 1000 > pingIntervalMs + pingTimeoutMs, String(found));
});
