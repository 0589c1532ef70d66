import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { listRoutes } from "../../src/api/routes.ts";
import { testGateway } from "../harness/gateway.ts";
import { misfit } from "../harness/schemas.ts";
import { hasTool } from "../harness/tool.ts";

const PAGE = readFileSync(new URL("../../docs/http-api.md", import.meta.url), "utf8");
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);
const GATEWAY = "http://localhost:3000";

/** A curl of the page, with what the page says of its answer. */
interface Curl {
  readonly command: string;
  /** Its sentence: `Answers …`. */
  readonly promise: string;
  /** The language of the block with the answer, and the name of its schema. */
  readonly kind: string;
  readonly answer: string;
}

function readCurls(): Curl[] {
  const blocks = PAGE.matchAll(
    /^```sh\n([^`]*)^```\n+([^\n]*)\n+(?:```(?!sh\n)(.*)\n([^`]*)^```)?/gm,
  );
  return [...blocks]
    .map(([, command = "", promise = "", kind = "", answer = ""]) => ({
      ...{ command, promise, kind, answer },
    }))
    .filter(({ command }) => command.includes("curl "));
}

function find(pattern: RegExp): string {
  const [, found] = pattern.exec(PAGE) ?? [];
  assert.ok(found, String(pattern));
  return found;
}

/** Starts a gateway with the keys of the page; returns what runs a command of the page there. */
async function startPage(t: TestContext, upstream: { url: string; secrets: string[] } | undefined) {
  const jwtSecret = find(/^export SLUICE_API_JWT_SECRET=(\S+)$/m);
  const gateway = await testGateway(t, {
    api: { keys: [find(/^SLUICE_API_KEYS=(\S+) npx sluice /m)], jwtSecret },
    ...(upstream && { upstream }),
  });
  const folder = mkdtempSync(join(tmpdir(), "sluice-page-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const body = join(folder, "body");
  const env = {
    ...{ PATH: process.env.PATH, SLUICE_URL: gateway.url, SLUICE_API_JWT_SECRET: jwtSecret },
    SLUICE_KEY: find(/^export SLUICE_KEY=(\S+) /m),
  };
  const ask = async (command: string) => {
    const script =
      `curl() { command curl -sS --max-time 30 -o '${body}' -w '%{http_code}' "$@"; }\n` +
      command.replaceAll(GATEWAY, gateway.url);
    const { stdout } = await run("sh", ["-euc", script], { env, cwd: ROOT });
    return { status: stdout, body: readFileSync(body, "utf8") };
  };
  return ask;
}

test("every route of the API has a curl on its page, and every curl a promise", () => {
  const curls = readCurls();
  for (const { method, path } of listRoutes("/metrics")) {
    const [, section = ""] = PAGE.split(`\n## ${method} ${path}\n`);
    assert.match(section.split("\n## ")[0] ?? "", /curl "\$SLUICE_URL\/[^"]+"/, path);
  }
  assert.equal(curls.length, PAGE.split(/^ *curl /m).length - 1);
  for (const { command, promise } of curls) assert.match(promise, /^Answers `\d+`/, command);
});

test("each curl of the page gets the answer that the page promises", async (t) => {
  if (!hasTool(t, "curl")) return;
  const upstream = { url: "http://127.0.0.1:9/call", secrets: [`whsec_${btoa("s".repeat(32))}`] };
  const ask = await startPage(t, upstream);
  for (const { command, promise, kind, answer } of readCurls()) {
    const alone = /On a single node: `(\d+)`/.exec(promise)?.[1];
    const [, status] = /^Answers `(\d+)`/.exec(promise) ?? [];
    const got = await ask(command);
    assert.equal(got.status, alone ?? status, command + got.body);
    if (alone !== undefined) continue;
    const [language, schema = ""] = kind.split(" ");
    if (language === "json") assert.equal(misfit(schema, JSON.parse(got.body)), undefined, command);
    else {
      const lines = answer.split("\n").filter((line) => !line.includes("…"));
      for (const line of lines) assert.ok(got.body.includes(line), `${command}: ${line}`);
    }
  }
});

test("without functions, their routes answer what the page says", async (t) => {
  if (!hasTool(t, "curl")) return;
  const ask = await startPage(t, undefined);
  const curls = readCurls().filter(({ promise }) => promise.includes("else `404`"));
  assert.ok(curls.length > 3);
  for (const { command } of curls) assert.equal((await ask(command)).status, "404", command);
});
