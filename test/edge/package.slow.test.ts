/** The SDK as the package `@sluice/edge`: packed, installed in an empty folder, used there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SECRET } from "../harness/function.ts";
import { ROOT, testFolder } from "../harness/process.ts";
import { call, event } from "./rig.ts";

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));

/** Packs the package, and installs it in an empty folder, without asking a registry. */
function install(t: TestContext): string {
  const folder = testFolder(t);
  const pack = ["pack", join(ROOT, "packages/edge"), "--json", "--pack-destination", folder];
  run("npm", pack, folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball);
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], folder);
  return folder;
}

/** A function of its user's: it handles the call on its command line, in three ways. */
const USE = `import { createHandler, Refusal, SluiceError } from "@sluice/edge";
import { toLambda } from "@sluice/edge/lambda";
import { toNodeListener } from "@sluice/edge/node";

const { url, headers, body, secret } = JSON.parse(globalThis.process.argv[2]);
const validate = async (args) => (args.length > 1 ? { issues: [] } : { value: args });
const events = {
  echo: {
    args: { "~standard": { validate } },
    handler({ args, traceparent }, io) {
      io.after(5).to([]).emit("echoed", traceparent);
      return { ack: args, data: { echoed: true } };
    },
  },
};
const handler = createHandler({ secret, events });
const answer = await handler(new Request(url, { method: "POST", headers, body }));
const requestContext = { domainName: "fn.example", http: { method: "POST" } };
const event = { rawPath: "/", headers, requestContext, body, isBase64Encoded: false };
const chunks = [new TextEncoder().encode(body)];
const incoming = { method: "POST", url: "/", headers, readableEnded: false };
incoming[Symbol.asyncIterator] = async function* () {
  yield* chunks;
};
const said = {};
const outgoing = { setHeader() {}, end: (bytes) => (said.text = new TextDecoder().decode(bytes)) };
await toNodeListener(handler)(incoming, outgoing);
const answers = [await answer.text(), (await toLambda(handler)(event)).body, said.text];
console.log(JSON.stringify([...answers, typeof Refusal, typeof SluiceError]));
`;

const TYPES = `import { createEmitter, createHandler, type HandlerOptions } from "@sluice/edge";
import { toLambda } from "@sluice/edge/lambda";
import { toNodeListener } from "@sluice/edge/node";

interface Events {
  say: (text: string, done: (n: number) => void) => void;
}
const options: HandlerOptions<Events, Events> = {
  secret: "whsec_",
  events: { say: ({ args: [text] }, io) => (io.after(5).emit("say", text), [text.length]) },
};
const handler: (request: Request) => Promise<Response> = createHandler(options);
toNodeListener(handler);
toLambda(handler);
const io = createEmitter<Events>({ url: "https://sluice.example", key: "k" });
void io.to("a").emit("say", "x");
// @ts-expect-error: it is a text.
void io.to("a").emit("say", 5);
`;

test("@sluice/edge installs from its tarball alone, runs everywhere, and brings its types", async (t) => {
  const folder = install(t);
  const modules = join(folder, "node_modules");
  assert.deepEqual(
    readdirSync(modules).filter((name) => !name.startsWith(".")),
    ["@sluice"],
    "it has no dependencies",
  );
  const installed = readdirSync(join(modules, "@sluice/edge"));
  assert.deepEqual(installed.sort(), ["LICENSE", "README.md", "dist", "package.json"]);

  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const request = call(event("echo", ["ünï"]), { headers: { traceparent } });
  const { url, headers } = request;
  const given = { url, headers: Object.fromEntries(headers), secret: SECRET };
  const words = ["use.mjs", JSON.stringify({ ...given, body: await request.text() })];
  writeFileSync(join(folder, "use.mjs"), USE);
  const commands = [{ do: "emit", afterMs: 5, to: [], event: "echoed", args: [traceparent] }];
  const answer = JSON.stringify({ ack: ["ünï"], data: { echoed: true }, commands });
  const said = [answer, answer, answer, "function", "function"];
  const deno = join(ROOT, "node_modules/.bin/deno");
  const bun = join(ROOT, "node_modules/.bin/bun");
  assert.deepEqual(JSON.parse(run(process.execPath, words, folder)), said);
  assert.deepEqual(JSON.parse(run(deno, ["run", "--no-remote", ...words], folder)), said);
  assert.deepEqual(JSON.parse(run(bun, words, folder)), said);

  writeFileSync(join(folder, "types.ts"), TYPES);
  for (const module of ["nodenext", "preserve"]) {
    const options = ["--strict", "--noEmit", "--target", "es2022", "--module", module];
    const tsc = [join(ROOT, "node_modules/typescript/bin/tsc"), ...options, "--types", ""];
    run(process.execPath, [...tsc, "--exactOptionalPropertyTypes", "types.ts"], folder);
  }
});

test("the package has the version of Sluice, and the exports of sluice/edge", () => {
  const [edge, sluice] = ["packages/edge/package.json", "package.json"].map((path) =>
    read(join(ROOT, path)),
  );
  assert.equal(edge.version, sluice.version);
  assert.deepEqual([edge.license, edge.engines], [sluice.license, sluice.engines]);
  const names = Object.keys(sluice.exports).filter((name) => name.startsWith("./edge"));
  assert.deepEqual(
    names.map((name) => [`.${name.slice("./edge".length)}`, sluice.exports[name]]),
    Object.entries(edge.exports).filter(([, paths]) => typeof paths === "object"),
  );
});
