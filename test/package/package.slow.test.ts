/** What a stranger gets who installs the packed `sluice` in an empty folder. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { newClient } from "../harness/gateway.ts";
import { ROOT, startProcess } from "../harness/process.ts";
import { next } from "../harness/wait.ts";
import { inFolder, installPacked, run } from "./packed.ts";

const SIZE_KB_MAX = 60 * 1024;
const NODE = process.execPath;

const undo: (() => void)[] = [];
let folder = "";
before(async () => {
  const after = (done: () => void) => void undo.push(done);
  folder = await installPacked({ after });
});
after(() => {
  for (const done of undo) done();
});

/** A program that prints where its gateway listens, and an `io` that answers `say`. */
const ANSWER = `io.on("connection", (socket) => {
  socket.on("say", (text, done) => done("heard " + text));
});`;

async function heardAt(t: TestContext, url: string): Promise<void> {
  const client = newClient(url);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  assert.equal(await client.emitWithAck("say", "it"), "heard it");
}

/** Starts a program of the folder, and says something to what it serves on a port that it prints. */
async function startsAndAnswers(t: TestContext, file: string, text: string): Promise<void> {
  writeFileSync(join(folder, file), text);
  const program = startProcess(t, inFolder(folder, [NODE, file]));
  const { port } = await program.line("port");
  await heardAt(t, `http://127.0.0.1:${port}`);
}

test("installed with socket.io it takes at most 60 MB", async (t) => {
  const [kilobytes = ""] = (await run(["du", "-sk", "node_modules"], folder)).split("\t");
  t.diagnostic(`node_modules has ${kilobytes} KB`);
  assert.ok(Number(kilobytes) > 0 && Number(kilobytes) <= SIZE_KB_MAX, kilobytes);
});

test("it brings its pages, types and licences, and no tests, sources or binaries of others", () => {
  const own = join(folder, "node_modules/sluice");
  assert.deepEqual(
    readdirSync(own)
      .filter((name) => name !== "CHANGELOG.md")
      .sort(),
    [
      "ARCHITECTURE.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "dist",
      "docs",
      "examples",
      "package.json",
    ],
  );
  const files = readdirSync(own, { recursive: true, encoding: "utf8" });
  for (const name of ["docs/settings.md", "dist/main-licences.txt", "dist/types/index.d.ts"]) {
    assert.ok(files.includes(name), name);
  }
  const leaked = files.filter((name) =>
    /^dist\/.*(?<!\.d)\.ts$|\.test\.|^(?!examples\/).*tsconfig/.test(name),
  );
  assert.deepEqual(leaked, []);
  const scope = join(folder, "node_modules/@sluice");
  assert.deepEqual(readdirSync(scope), [`uws-${process.platform}-${process.arch}`]);
  assert.ok(!existsSync(join(folder, "node_modules/uWebSockets.js")));
});

test("npx sluice runs a handler module, which shares its Socket.IO", async (t) => {
  const handler = `import { Server } from "socket.io";
    export default (io) => { if (!(io instanceof Server)) throw new Error("two copies"); ${ANSWER} };`;
  writeFileSync(join(folder, "handler.mjs"), handler);
  const port = String(await findFreePort());
  const words = ["npx", "sluice", "--handlers.module", "handler.mjs", "--socket.port", port];
  const gateway = startProcess(t, inFolder(folder, words));
  await gateway.line("port");
  await heardAt(t, `http://127.0.0.1:${port}`);
});

test("startGateway serves in a module's own process", async (t) => {
  await startsAndAnswers(
    t,
    "gateway.mjs",
    `import { startGateway } from "sluice";
     const { io, port } = await startGateway({ socket: { port: 0, host: "127.0.0.1" } });
     ${ANSWER}
     console.log(JSON.stringify({ port }));`,
  );
});

/** CommonJS may require modules from Node.js 20.19 and 22.12 on. */
const requiresModules = "require_module" in (process.features as object);

test("a CommonJS program requires it", { skip: !requiresModules }, async (t) => {
  await startsAndAnswers(
    t,
    "gateway.cjs",
    `const { startGateway } = require("sluice");
     startGateway({ socket: { port: 0, host: "127.0.0.1" } }).then(({ io, port }) => {
       ${ANSWER}
       console.log(JSON.stringify({ port }));
     });`,
  );
});

test("attach serves a Socket.IO server on an app of the installed binary", async (t) => {
  const port = await findFreePort();
  await startsAndAnswers(
    t,
    "attached.mjs",
    `import { Server } from "socket.io";
     import { App, attach } from "sluice/attach";
     const io = new Server();
     const app = App();
     attach(io, app);
     ${ANSWER}
     app.listen("127.0.0.1", ${port}, () => console.log(JSON.stringify({ port: ${port} })));`,
  );
});

test("sluice/edge loads, without anything of Node's", async () => {
  const text = `import { createEmitter, createHandler } from "sluice/edge";
    import { toNodeListener } from "sluice/edge/node";
    import { toLambda } from "sluice/edge/lambda";
    console.log([createEmitter, createHandler, toNodeListener, toLambda].map((each) => typeof each).join());`;
  writeFileSync(join(folder, "edge.mjs"), text);
  const four = "function,function,function,function\n";
  assert.equal(await run([NODE, "edge.mjs"], folder), four);
});

const TYPES = `import type { Server } from "socket.io";
import { type PartialSettings, type Settings, SettingsError, startGateway } from "sluice";
import { attach, type Attached } from "sluice/attach";
import { createHandler } from "sluice/edge";

declare const io: Server;
type App = Parameters<typeof attach>[1];
declare const app: App;
const attached: Attached = attach(io, app, { socket: { bufferBytesMax: 1_048_576 } });
const opened: number = attached.samples().socket.connections["websocket msgpack"] ?? 0;
const settings: PartialSettings = { socket: { port: 0 } };
const gateway = await startGateway(settings);
const complete: Settings = gateway.settings;
const port: number = complete.socket.port + opened;
app.listen(port, (socket) => void socket);
// @ts-expect-error: a port is a number.
await startGateway({ socket: { port: "3000" } });
// @ts-expect-error: nobody calls it so.
complete.socket.prot;
// @ts-expect-error: apps are typed, and have no such method.
app.lissen(port);
void [createHandler, SettingsError];
`;

for (const module of ["node16", "nodenext", "preserve"]) {
  test(`its types compile with module ${module}, also those of its dependencies`, async () => {
    writeFileSync(join(folder, "types.mts"), TYPES);
    const tsc = [NODE, join(ROOT, "node_modules/typescript/bin/tsc"), "--noEmit", "--strict"];
    const options = ["--target", "es2022", "--types", "node", "--module", module];
    await run([...tsc, ...options, "types.mts"], folder);
  });
}
