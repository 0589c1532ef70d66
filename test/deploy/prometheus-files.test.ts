import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { readRules } from "../../deploy/prometheus/rules.ts";
import { hasTool, runTool } from "../harness/tool.ts";

const HERE = new URL("../../deploy/prometheus/", import.meta.url);
const TESTS = readdirSync(new URL("tests/", HERE)).map((file) => new URL(`tests/${file}`, HERE));

test("promtool accepts the configuration and every rule file", (t) => {
  if (!hasTool(t, "promtool")) return;
  const { code, text } = runTool("promtool", [
    "check",
    "config",
    fileURLToPath(new URL("prometheus.yml", HERE)),
  ]);
  assert.equal(code, 0, text);
  assert.equal(
    text.match(/SUCCESS: \d+ rules found/g)?.length,
    readdirSync(new URL("rules/", HERE)).length,
  );
});

test("every alert fires and does not fire as its unit tests say", (t) => {
  if (!hasTool(t, "promtool")) return;
  const { code, text } = runTool("promtool", [
    "test",
    "rules",
    ...TESTS.map((file) => fileURLToPath(file)),
  ]);
  assert.equal(code, 0, text);
});

test("every alert has a unit test that sees it fire and one that sees it stay silent", () => {
  const fires = new Set<string>();
  const silent = new Set<string>();
  for (const file of TESTS) {
    // The shape is promtool's, which the test above lets promtool check.
    const { tests } = parse(readFileSync(file, "utf8")) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    for (const one of tests.flatMap((each) => each.alert_rule_test))
      (one.exp_alerts.length > 0 ? fires : silent).add(one.alertname);
  }
  const names = readRules().alerts.map((alert) => alert.name);
  assert.ok(names.length >= 10);
  assert.deepEqual(
    names.filter((name) => !fires.has(name)),
    [],
    "never seen firing",
  );
  assert.deepEqual(
    names.filter((name) => !silent.has(name)),
    [],
    "never seen silent",
  );
  assert.equal(new Set(names).size, names.length, "a name is used twice");
});
