import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse as parseToml } from "smol-toml";
import { parse } from "yaml";
import { listSettings, readSettings, type Settings } from "../../src/core/settings.ts";
import { gatherSettings } from "../../src/core/sources.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
const read = (path: string) => readFileSync(join(DEPLOY, path), "utf8");

/** Named in deploy/ before their folder is there; a name that exists must leave this list. */
const AWAITED = new Set(["SLUICE_CLUSTER_REDIS_URL"]);

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

// The casts below hold because the platforms' own schemas are checked in schemas.test.ts.
const PLATFORMS: Readonly<Record<string, () => Platform>> = {
  compose() {
    const { gateway } = (parse(read("compose/compose.yaml")) as ComposeFile).services;
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
    const lines = read("systemd/sluice.env").matchAll(/^(SLUICE_\w+)=(.*)$/gm);
    const seconds = /^TimeoutStopSec=(\d+)$/m.exec(read("systemd/sluice.service"))?.[1];
    return {
      env: Object.fromEntries([...lines].map(([, name, value]) => [name, value])),
      graceMs: Number(seconds) * 1000,
    };
  },
};

interface ComposeFile {
  services: { gateway: { environment: Record<string, string>; stop_grace_period: string } };
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
  const env = Object.fromEntries(
    Object.entries(platform.env).filter(([name]) => !AWAITED.has(name)),
  );
  return readSettings(gatherSettings({ flags: new Map(), env, file: {} }));
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
      const ours = name.startsWith("SLUICE_IMAGE"); // of verify.sh, not of the gateway
      if (!known.has(name) && !ours && !AWAITED.has(name)) wrong.push(`${file}: ${name}`);
    }
  }
  assert.ok(found > 20);
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    [...AWAITED].filter((name) => known.has(name)),
    [],
    "awaited no longer",
  );
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
