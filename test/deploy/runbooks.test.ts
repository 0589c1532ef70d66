/** Each alert leads to a runbook, and what that names exists. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { readRules } from "../../deploy/prometheus/rules.ts";
import { RUNBOOKS } from "../../deploy/prometheus/runbooks/all.ts";
import { CLOSES } from "../../src/core/closes.ts";
import { FAILURES } from "../../src/core/failures.ts";
import { listSettings } from "../../src/core/settings.ts";
import { AUTH_RESULTS } from "../../src/door/auth.ts";
import { METRICS } from "../../src/metrics/table.ts";
import { REFUSALS } from "../../src/socket/samples.ts";
import { hasTool, runTool } from "../harness/tool.ts";

const { alerts } = readRules();
const NAMES = alerts.map(({ name }) => name);

/** Everything in a runbook that is text for people. */
function textsOf(name: string): string[] {
  const { users, causes, mitigate, over } = RUNBOOKS[name] ?? assert.fail(name);
  return [users, ...causes, ...mitigate, over];
}

test("every alert has a runbook with something in each part, and its link leads there", () => {
  assert.deepEqual(Object.keys(RUNBOOKS).sort(), [...NAMES].sort());
  const page = readFileSync(new URL("../../docs/alerts.md", import.meta.url), "utf8");
  for (const { name, runbookUrl } of alerts) {
    assert.equal(runbookUrl, `https://sluice.example/docs/alerts.md#${name.toLowerCase()}`);
    assert.ok(page.includes(`\n## ${name}\n`), name);
    const runbook = RUNBOOKS[name];
    for (const list of [runbook?.queries, runbook?.commands, runbook?.causes, runbook?.mitigate]) {
      assert.ok(list && list.length > 0, name);
    }
  }
});

/** What clients and platforms call by names of this shape. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  "connect_error",
  "event_refused",
  "socket.data",
  "ulimits.nofile",
]);

test("every setting, code, reason, metric and alert that a runbook names exists", () => {
  const known: ReadonlySet<string> = new Set([
    ...listSettings().map(({ path }) => path),
    ...Object.keys(FAILURES),
    ...Object.keys(CLOSES),
    ...Object.keys(METRICS),
    ...REFUSALS,
    ...AUTH_RESULTS,
    ...NAMES,
  ]);
  const unknown = NAMES.flatMap((name) =>
    textsOf(name)
      .flatMap((text) => [...text.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word))
      .filter((word) => /^([a-z]+\.\w+|[A-Z]+_[A-Z_]+|[a-z]+_[a-z_]+|Sluice\w+)$/.test(word))
      .filter((word) => !known.has(word) && !OF_OTHERS.has(word))
      .map((word) => `${name}: ${word}`),
  );
  assert.deepEqual(unknown, []);
});

test("every route and metric that a runbook asks of the gateway exists", () => {
  const file = new URL("../../docs/openapi.json", import.meta.url);
  const { paths } = JSON.parse(readFileSync(file, "utf8")) as { paths: Record<string, unknown> };
  const commands = NAMES.flatMap((name) => RUNBOOKS[name]?.commands ?? []);
  const metrics = commands.flatMap((text) => [...text.matchAll(/grep '\^(\w+)'/g)]);
  for (const [, prefix = ""] of metrics) {
    const isKnown = Object.keys(METRICS).some((name) => name.startsWith(prefix));
    assert.ok(isKnown || prefix === "nodejs_", prefix);
  }
  const asked = commands.flatMap((text) => [...text.matchAll(/\$API(\/[\w/]+)/g)]);
  assert.ok(asked.length > 20);
  for (const [, path = ""] of asked) {
    assert.ok(Object.hasOwn(paths, path) || path === "/socket", path);
  }
});

const ALERTMANAGER = new URL("../../deploy/prometheus/alertmanager.yml", import.meta.url);

test("the example of Alertmanager names alerts that exist", () => {
  const { inhibit_rules: rules } = parse(readFileSync(ALERTMANAGER, "utf8")) as {
    inhibit_rules: { source_matchers: string[]; target_matchers: string[] }[];
  };
  assert.ok(rules.length > 0);
  for (const { source_matchers: sources, target_matchers: targets } of rules) {
    for (const matcher of [...sources, ...targets]) {
      const reason = /^reason="(.+)"$/.exec(matcher)?.[1];
      if (reason !== undefined) {
        assert.ok(Object.hasOwn(FAILURES, reason), reason);
        continue;
      }
      const pattern = /^alertname=~?"(.+)"$/.exec(matcher)?.[1] ?? assert.fail(matcher);
      const [, before = "", names = pattern] = /^(\w+)\((.+)\)$/.exec(pattern) ?? [];
      for (const name of names.split("|")) assert.ok(NAMES.includes(before + name), name);
    }
  }
});

test("amtool accepts the example, and it wakes somebody for what is critical alone", (t) => {
  if (!hasTool(t, "amtool")) return;
  const file = fileURLToPath(ALERTMANAGER);
  const checked = runTool("amtool", ["check-config", file]);
  assert.equal(checked.code, 0, checked.text);
  for (const [severity, receiver] of [
    ["critical", "pager"],
    ["warning", "tickets"],
  ]) {
    const words = ["config", "routes", "test", `--config.file=${file}`, `severity=${severity}`];
    assert.equal(runTool("amtool", words).text.split("\n", 1)[0], receiver);
  }
});
