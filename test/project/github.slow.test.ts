import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { installPythonTools, toolCache } from "../harness/installed-tools.ts";
import { hasTool, runTool, skipWithout } from "../harness/tool.ts";

const GITHUB = fileURLToPath(new URL("../../.github/", import.meta.url));
const WORKFLOWS = readdirSync(join(GITHUB, "workflows")).map((name) =>
  join(GITHUB, "workflows", name),
);

/** A workflow that runs what a stranger named his branch. */
const WRONG = `on: push
permissions: {}
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v5
      - run: echo \${{ github.head_ref }}
`;

/** Writes a file that must be refused, under the name that the tools go by. */
function plant(t: TestContext, path: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-github-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, path);
  writeFileSync(file, text);
  return file;
}

test("actionlint finds nothing in the workflows", (t) => {
  if (!hasTool(t, "go")) return;
  const folder = toolCache("actionlint-1.7.12");
  const module = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";
  const env = ["-u", "GOFLAGS", `GOBIN=${folder}`, "CGO_ENABLED=0"];
  const built = runTool("env", [...env, "go", "install", module]);
  if (built.code !== 0) return skipWithout(t, "go", `actionlint is not built: ${built.text}`);
  // ShellCheck and pyflakes are used by actionlint where they are installed; not everywhere are they.
  const lint = (files: readonly string[]) =>
    runTool(join(folder, "actionlint"), ["-shellcheck=", "-pyflakes=", ...files]);
  assert.deepEqual(lint(WORKFLOWS), { code: 0, text: "" });
  assert.match(
    lint([plant(t, "wrong.yml", WRONG)]).text,
    /"github.head_ref" is potentially untrusted/,
  );
});

test("workflows, Dependabot and issue forms are valid by GitHub's schemas, and safe", (t) => {
  const bin = installPythonTools(t, ["check-jsonschema==0.39.0", "zizmor==1.32.0"]);
  if (!bin) return;
  const forms = join(GITHUB, "ISSUE_TEMPLATE");
  const files: Readonly<Record<string, readonly string[]>> = {
    "github-workflows": WORKFLOWS,
    dependabot: [join(GITHUB, "dependabot.yml")],
    "github-issue-config": [join(forms, "config.yml")],
    "github-issue-forms": [join(forms, "bug.yml"), join(forms, "feature.yml")],
  };
  const check = (schema: string, paths: readonly string[]) =>
    runTool(join(bin, "check-jsonschema"), ["--builtin-schema", `vendor.${schema}`, ...paths]);
  for (const [schema, paths] of Object.entries(files)) {
    const { code, text } = check(schema, paths);
    assert.equal(code, 0, text);
  }
  assert.notEqual(check("dependabot", [plant(t, "wrong.yml", "version: 1\n")]).code, 0);
  const audit = (path: string) =>
    runTool(join(bin, "zizmor"), ["--offline", "--no-progress", "--collect=all", path]);
  const found = audit(GITHUB);
  assert.equal(found.code, 0, found.text);
  assert.match(audit(plant(t, "wrong.yml", WRONG)).text, /template-injection/);
});

test("every npm script and file that a workflow names exists", () => {
  const root = join(GITHUB, "..");
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const text = WORKFLOWS.map((path) => readFileSync(path, "utf8")).join("\n");
  const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = ""]) => name);
  assert.ok(named.length >= 4);
  assert.deepEqual(
    named.filter((name) => !(name in scripts)),
    [],
  );
  const paths = [...text.matchAll(/(?:^|[ "])((?:deploy|packages|\.ci)\/[\w./-]+)/gm)];
  assert.ok(paths.length >= 2);
  const missing = paths
    .map(([, path = ""]) => path)
    .filter((path) => !existsSync(join(root, path)));
  assert.deepEqual(missing, []);
});
