import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { httpApiPage } from "../../docs/http-api.ts";
import * as pages from "../../docs/pages.ts";
import { KIND_FAILURES, listRoutes } from "../../src/api/routes.ts";
import { CLOSES } from "../../src/core/closes.ts";
import { COMMAND_NAMES } from "../../src/core/commands.ts";
import { FAILURES } from "../../src/core/failures.ts";
import { listSettings } from "../../src/core/settings.ts";
import { SPANS } from "../../src/core/trace.ts";
import { RATE_LIMITED } from "../../src/door/entry.ts";
import { TOKEN_EXPIRING, TOKEN_REFRESH } from "../../src/door/expiry.ts";
import { EVENT_REFUSED } from "../../src/handlers/forward.ts";
import { METRICS } from "../../src/metrics/table.ts";
import { misfit, SCHEMAS } from "../harness/schemas.ts";

/** The first cells of a page's tables, without their backticks. */
function firstCells(page: string): string[] {
  return [...page.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? "");
}

test("every row of every table stands on its page", () => {
  assert.deepEqual(
    firstCells(pages.settingsPage()),
    listSettings().map((row) => row.path),
  );
  const [metrics = ""] = pages.metricsPage().split("## Recorded sums");
  assert.deepEqual(firstCells(metrics), Object.keys(METRICS));
  assert.deepEqual(firstCells(pages.closesPage()), Object.keys(CLOSES));
  assert.deepEqual(firstCells(pages.failuresPage()), Object.keys(FAILURES));
});

test("every kind of span stands on the page of traces, with its side and sentence", () => {
  const page = readFileSync(new URL("../../docs/tracing.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.+?) +\|$/gm)];
  assert.deepEqual(
    rows.map(([, name, side, text]) => [name, { side, text }]),
    Object.entries(SPANS),
  );
});

test("every event that Sluice itself sends to clients is named as public", () => {
  const page = readFileSync(new URL("../../docs/versioning.md", import.meta.url), "utf8");
  const [, names = ""] = page.match(/\*\*Client events\*\* of Sluice's own: ([^|]+)\|/) ?? [];
  assert.deepEqual(
    [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    [TOKEN_EXPIRING, TOKEN_REFRESH, RATE_LIMITED, EVENT_REFUSED],
  );
});

test("every route that the gateway serves has its section, with what it answers", () => {
  const written = httpApiPage();
  const sectionOf = (title: string) => written.split(`## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
  const shared = sectionOf("Errors of many routes");
  for (const { method, path, kind, failures } of listRoutes("/metrics")) {
    const section = sectionOf(`${method} ${path}`);
    assert.match(section, /^Answers `200`/m, path);
    for (const failure of [...KIND_FAILURES[kind], ...failures])
      assert.ok((section + shared).includes(`\`${failure}\``), `${path} ${failure}`);
  }
});

test("the default of a secret is not on the page", () => {
  for (const row of listSettings().filter((one) => one.secret)) {
    const line = pages
      .settingsPage()
      .split("\n")
      .find((one) => one.startsWith(`| \`${row.path}\``));
    assert.match(line ?? "", /never printed/);
  }
});

test("a metric's row names the alerts that read it, through recorded sums too", () => {
  const line = pages
    .metricsPage()
    .split("\n")
    .find((one) => one.startsWith("| `sluice_connections_opened_total`"));
  assert.match(line ?? "", /SluiceReconnectStorm/);
});

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: URL): ReadonlySet<string> {
  const text = readFileSync(page, "utf8").replace(/^```.*?^```/gms, "");
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("every file and heading that a page links to exists", () => {
  const root = new URL("../../", import.meta.url);
  const folders = ["docs/", "deploy/", "examples/", "bench/"];
  const pages = readdirSync(root).filter((name) => name.endsWith(".md"));
  for (const folder of folders) {
    const names = readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" });
    // The site has packages of its own, and pages that are generated.
    const own = names.filter(
      (name) => name.endsWith(".md") && !/^site\/(api|node_modules)\//.test(name),
    );
    pages.push(...own.map((name) => folder + name));
  }
  assert.ok(pages.length > 20);
  const dead: string[] = [];
  for (const page of pages) {
    const url = new URL(page, root);
    const links = readFileSync(url, "utf8").matchAll(/\]\((?!\w+:)([^)]+)\)/g);
    for (const [, target = ""] of links) {
      const to = new URL(target, url);
      const anchor = to.hash.slice(1);
      to.hash = "";
      const lost = anchor !== "" && existsSync(to) && !anchorsOf(to).has(anchor);
      if (!existsSync(to) || lost) dead.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
});

/** Pages on which each block of JSON is a body. */
const WITH_BODIES = ["functions.md", "http-api.md", "calls.md"];

test("every body that a page shows fits the schema that it is shown for", () => {
  for (const name of WITH_BODIES) {
    const page = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
    // The schema stands after the language, where GitHub does not show it.
    for (const [, schema = "", text = ""] of page.matchAll(/^```json(.*)\n([^`]*)^```/gm)) {
      assert.equal(misfit(schema.trim(), JSON.parse(text)), undefined, `${name}: ${text}`);
    }
    assert.match(page, /^```json \w/m, name);
  }
});

test("what the page without the SDK shows of the examples stands in them", () => {
  const root = new URL("../../", import.meta.url);
  const read = (path: string) => readFileSync(new URL(path, root), "utf8");
  const page = read("docs/functions-without-sdk.md");
  const sources = {
    python: read("examples/functions/python/function.py"),
    go: read("examples/functions/go/main.go") + read("examples/functions/go/chat.go"),
  };
  for (const [language, source] of Object.entries(sources)) {
    const blocks = [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^\`]*)^\`\`\``, "gm"))];
    assert.ok(blocks.length > 3);
    for (const [, block = ""] of blocks) assert.ok(source.includes(block), block);
  }
});

test("the JSON Schemas in docs/ stand by themselves, and take the examples", () => {
  for (const [file, names] of [
    ["calls", ["ConnectCall", "ConnectedCall", "EventCall", "DisconnectCall", "BatchCall"]],
    ["commands", [...COMMAND_NAMES]],
  ] as const) {
    const url = new URL(`../../docs/schemas/${file}.json`, import.meta.url);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const validate = ajv.compile(JSON.parse(readFileSync(url, "utf8")) as object);
    for (const name of names) {
      const { examples = [] } = SCHEMAS.find((one) => one.name === name) ?? {};
      for (const example of examples) assert.ok(validate(example), `${file} ${name}`);
    }
    assert.equal(validate({ do: "fly", socket: {} }), false);
  }
});

// docs/doors.md told all about tokens and limits, and no page led there.
// Whoever starts at the README must be able to reach every page.
test("every page is reached from the README by links", () => {
  const docs = new URL("../../docs/", import.meta.url);
  const reached = new Set<string>();
  const follow = (url: URL): void => {
    for (const [, to = ""] of readFileSync(url, "utf8").matchAll(/\]\(([^)#:]+\.md)/g)) {
      const next = new URL(to, url);
      if (reached.has(next.href)) continue;
      reached.add(next.href);
      follow(next);
    }
  };
  follow(new URL("../../README.md", import.meta.url));
  for (const name of readdirSync(docs).filter((one) => one.endsWith(".md"))) {
    assert.ok(reached.has(new URL(name, docs).href), name);
  }
});
