import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readArgs, UsageError } from "../../bench/rig/args.ts";
import { drawCharts } from "../../bench/rig/charts.ts";
import { estimateRatios, summarise } from "../../bench/rig/estimate.ts";
import { makeFlag } from "../../bench/rig/flags.ts";
import { createHistogram, describeLatency, recordLatency } from "../../bench/rig/latency.ts";
import { makeLoadScenario } from "../../bench/rig/load.ts";
import { makePage } from "../../bench/rig/page.ts";
import { makeReadmeBlock, replaceBlock } from "../../bench/rig/readme.ts";
import {
  fileStem,
  findProblems,
  newestOf,
  type Result,
  readResults,
  writeResult,
} from "../../bench/rig/results.ts";
import type { Metric } from "../../bench/rig/scenario.ts";
import { formatResult } from "../../bench/rig/table.ts";
import { SCENARIOS } from "../../bench/scenarios/all.ts";

const folder = mkdtempSync(join(tmpdir(), "bench-results-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const METRICS: readonly Metric[] = [
  { name: "cpu_us_per_delivery", unit: "µs", better: "lower", text: "CPU.", ratio: true },
];

function makeResult(name: string, vary: "members" | "rate" | "connections"): Result {
  const histogram = createHistogram();
  recordLatency(histogram, 1234);
  const rounds = [10, 100, 1000].flatMap((n) =>
    [0, 1].flatMap((pair) =>
      ["ours", "stock-uws", "bare"].map((subject, i) => ({
        subject,
        params: { shape: "room", [vary]: n },
        pair,
        values: { cpu_us_per_delivery: (i + 1) * (2 + pair / 10), rss_bytes: n * 1000 * (i + 1) },
        delivery: { expected: 5, received: 5, lost: 0, duplicated: 0, reordered: 0 },
        latency: describeLatency(histogram),
        flags: [],
        valid: true,
      })),
    ),
  );
  return {
    schema_version: 1,
    run_id: "00000000-0000-4000-8000-000000000000",
    started_at: "2026-01-02T03:04:05.678Z",
    finished_at: "2026-01-02T03:05:05.678Z",
    argv: ["fanout"],
    seed: 1,
    git: { commit: "0123456789abcdef", dirty: false },
    env: {
      ...{ cpu_model: "A <CPU>", cores: 2, mem_bytes: 1, kernel: "6", glibc: "2.36", virt: "none" },
      ...{ governor: "x", node: "20.0.0", v8: "11", uws: "20.57", socketio: "4.8.4" },
      ...{ engineio: "6.6.12", msgpack_lib: "x", ulimit_nofile: 1024, sysctls: {} },
      cgroup_limits: {},
    },
    env_hash: "abc",
    noise: {
      ...{ steal_share: 0, foreign_share: 0, psi_cpu_some: -1, loadavg: [0, 0, 0] },
      ...{ idle_probe_lag_us_p99: 1, idle_probe_lag_us_max: 2 },
      seconds: [{ steal_share: 0, foreign_share: 0, load1: 0.5 }],
    },
    scenario: { name, question: "What?", mode: "quick", baseline: "ours", metrics: METRICS },
    subjects: [{ name: "ours", about: { sluice: "here" } }],
    rounds,
    summaries: summarise(rounds, METRICS),
    estimates: estimateRatios(rounds, METRICS, { baseline: "ours", seed: 1 }),
    valid: true,
    flags: [{ severity: "warning", code: "few_pairs", message: "few" }],
  };
}

test("a result follows its schema, and a broken one is named where it breaks", () => {
  const result = makeResult("fanout", "members");
  assert.deepEqual(findProblems(result), []);
  assert.match(findProblems({ ...result, seed: "1" }).join(), /\/seed must be integer/);
  assert.match(findProblems({ ...result, extra: 1 }).join(), /additional properties/);
  const { rounds: _, ...without } = result;
  assert.match(findProblems(without).join(), /required property 'rounds'/);
});

test("a written result reads back under its date, commit and scenario", () => {
  const result = makeResult("fanout", "members");
  const path = writeResult(folder, result);
  assert.ok(path.endsWith("20260102T030405Z-0123456-fanout.json"));
  const later = { ...result, started_at: "2026-01-03T00:00:00.000Z" };
  writeResult(folder, later);
  const stored = readResults(folder);
  assert.equal(stored.length, 2);
  const [newest] = newestOf(stored, ["fanout", "never-run"]);
  assert.equal(newest?.result.started_at, later.started_at);
  const smoke = { ...later, started_at: "2026-01-04T00:00:00.000Z" };
  const [kept] = newestOf(
    [
      { file: "a", result: later },
      { file: "b", result: smoke },
    ].map((one, i) => ({
      ...one,
      result: {
        ...one.result,
        scenario: { ...one.result.scenario, mode: i === 0 ? "short" : "quick" },
      },
    })),
    ["fanout"],
  );
  assert.equal(kept?.file, "a", "a smoke test replaces no measurement");
  assert.throws(
    () => writeResult(folder, { ...result, argv: [1] as unknown as string[] }),
    /breaks its own schema/,
  );
});

test("every kind of picture is drawn without a browser and has its data", async () => {
  const pictures = new Map<string, string>();
  const all = [
    makeResult("fanout", "members"),
    makeResult("latency", "rate"),
    makeResult("idle", "connections"),
    makeResult("echo", "connections"),
  ];
  for (const result of all)
    for (const chart of await drawCharts(result))
      pictures.set(`${result.scenario.name} ${chart.name}`, chart.svg);
  assert.deepEqual([...pictures.keys()].filter((name) => !name.endsWith("ratios")).sort(), [
    "echo cost",
    "echo memory",
    "fanout members",
    "idle memory",
    "latency load",
  ]);
  assert.equal([...pictures.keys()].filter((name) => name.endsWith("ratios")).length, 4);
  for (const [name, svg] of pictures) {
    assert.match(svg, /^<svg /, name);
    assert.match(svg, /A &lt;CPU&gt;/, name);
    assert.match(svg, /<path /, name);
    assert.doesNotMatch(svg, /NaN|undefined/, name);
  }
});

test("tables name void figures and the page escapes what it shows", async () => {
  const result = makeResult("fanout", "members");
  const why = { bare: "client_limit", "stock-uws": "lost" } as const;
  const rounds = result.rounds.map((round) => {
    const code = why[round.subject as keyof typeof why];
    const flags = code ? [makeFlag("error", code, "")] : [];
    return { ...round, flags, valid: flags.length === 0 };
  });
  const voided: Result = {
    ...result,
    rounds,
    summaries: summarise(rounds, METRICS),
    estimates: estimateRatios(rounds, METRICS, { baseline: "ours", seed: 1 }),
    valid: false,
  };
  const text = formatResult(voided);
  // What the machine voided is shown as such; where messages were lost there is no figure.
  assert.match(text, /bare +6\.15 void/);
  assert.match(text, /stock-uws +void/);
  assert.match(text, /ours +2\.05/);
  assert.match(text, /NOT VALID/);
  const page = makePage([{ result: voided, file: "x.json", charts: await drawCharts(voided) }]);
  assert.ok(page.includes("A &lt;CPU&gt;") && !page.includes("A <CPU>"));
  assert.ok(
    page.includes("<svg") && !/(?:src|href)="http/.test(page.replaceAll("http://www.w3", "")),
  );
});

test("the README's figures are replaced between their markers and nowhere else", async () => {
  const unclear = makeResult("connect", "members");
  const estimates = unclear.estimates.map((one) => ({ ...one, verdict: "better" as const }));
  const result = { ...unclear, estimates };
  const charts = await drawCharts(result);
  const block = makeReadmeBlock([{ result, file: "f.json", charts }], "bench/results");
  assert.match(block, /2026-01-02 at commit `0123456`/);
  assert.match(block, /\]\(bench\/results\/f\.json\) \| 2\.05 µs \| \*\*0\.50 \(/);
  // Two pairs carry no claim.
  const silent = makeReadmeBlock([{ result: unclear, file: "f.json", charts }], "bench/results");
  assert.doesNotMatch(silent, /f\.json/);
  assert.match(block, new RegExp(`\\(bench/results/${fileStem(result)}-ratios\\.svg\\)`));
  const before = "# A\n<!-- bench:begin -->\nstale\n<!-- bench:end -->\nz\n";
  const once = replaceBlock(before, block) ?? "";
  assert.ok(once.startsWith("# A\n") && once.endsWith("<!-- bench:end -->\nz\n"));
  assert.ok(!once.includes("stale"));
  assert.equal(replaceBlock(once, block), once);
  assert.equal(replaceBlock("# no markers", block), undefined);
});

test("unknown options, bad numbers and targets without bounds are refused", () => {
  assert.throws(() => readArgs(["--nosuch", "1"]), UsageError);
  assert.throws(() => readArgs(["--quick", "--full"]), UsageError);
  assert.throws(() => readArgs(["--seed"]), UsageError);
  assert.throws(() => readArgs(["--seed", "--quick"]), /--seed needs a value/);
  const line = readArgs(["fanout", "--members", "10,1k", "--rate=5", "--quick"]);
  const none = { quick: [], short: [], full: [] };
  assert.deepEqual(line.numbers("members", none), [10, 1000]);
  assert.deepEqual([line.mode, line.rest], ["quick", ["fanout"]]);
  assert.throws(() => readArgs(["--members", "x"]).numbers("members", none), UsageError);
  const load = (...args: string[]) => makeLoadScenario(readArgs(["load", ...args]));
  const url = ["--url", "http://127.0.0.1:1"];
  assert.throws(() => load(), /needs --url/);
  assert.throws(() => load("--url", "ftp://x"), /not an http/);
  assert.throws(() => load(...url, "--auth", "{"), /not JSON/);
  assert.throws(() => load(...url, "--insecure"), /for https/);
  assert.throws(() => load("--url", "https://x", "--ca", "nowhere.pem"), /--ca: ENOENT/);
  for (const [name, max] of [
    ["clients", 20_000],
    ["rate", 10_000],
    ["seconds", 600],
    ["senders", 16],
    ["payload", 65_536],
  ] as const) {
    assert.equal(load(...url, `--${name}`, `${max}`).name, "load");
    assert.throws(() => load(...url, `--${name}`, `${max + 1}`), new RegExp(`--${name} must be`));
  }
});

test("every scenario opens with its question, and bench/README.md has a section for it", () => {
  const readme = readFileSync(new URL("../../bench/README.md", import.meta.url), "utf8");
  for (const { name } of SCENARIOS) {
    const file = new URL(`../../bench/scenarios/${name}.ts`, import.meta.url);
    const source = readFileSync(file, "utf8");
    for (const word of ["Question:", "Load:", "Control:", "Not for:"])
      assert.ok(source.slice(0, 1500).includes(word), `${name}.ts lacks "${word}"`);
    assert.match(readme, new RegExp(`^\\| \`${name}\` +\\|`, "m"), `README lacks ${name}`);
  }
});
