import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { listSettings } from "../../src/core/settings.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Starts TypeScript's language server, which editors ask. */
function startServer() {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const server = spawn(process.execPath, [tsc, "--lsp", "--stdio"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const waiting = new Map<number, (result: unknown) => void>();
  let received = Buffer.alloc(0);
  let asked = 0;
  const send = (message: object): void => {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    server.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  };
  const take = (message: { id?: never; method?: string; result?: unknown }): void => {
    if (message.method === undefined) waiting.get(message.id ?? -1)?.(message.result);
    else if (message.id !== undefined) send({ id: message.id, result: null }); // it asks the editor
  };
  server.stdout.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(received.toString("latin1", 0, end))?.[1]);
      if (received.length < end + 4 + length) return;
      take(JSON.parse(received.toString("utf8", end + 4, end + 4 + length)));
      received = received.subarray(end + 4 + length);
    }
  });
  return {
    tell: (method: string, params: object) => send({ method, params }),
    ask: (method: string, params: object) =>
      new Promise<unknown>((resolve) => {
        const id = ++asked;
        waiting.set(id, resolve);
        send({ id, method, params });
      }),
    stop: () => void server.kill(),
  };
}

/** Returns a program of one setting a line, and the position of each setting's name. */
function writeProgram() {
  const lines = [
    'import { startGateway } from "../../src/index.ts";',
    'import { attach } from "../../src/gateway/attach.ts";',
  ];
  const places = listSettings().map(({ path, byDefault }) => {
    const keys = path.split(".");
    const name = keys.pop() ?? "";
    const head = `void startGateway({ ${keys.map((key) => `${key}: { `).join("")}`;
    const tail = " }".repeat(keys.length);
    lines.push(`${head}${name}: ${JSON.stringify(byDefault)}${tail} });`);
    return { path, line: lines.length - 1, character: head.length };
  });
  const call = "attach(null as never, null as never, { codec: { ";
  lines.push(`${call}depthMax: 3 } });`);
  places.push({ path: "attach", line: lines.length - 1, character: call.length });
  return { text: lines.join("\n"), places };
}

test("an editor shows what each setting is, with its default, unit and bounds", async (t) => {
  const server = startServer();
  t.after(server.stop);
  await server.ask("initialize", {
    processId: process.pid,
    rootUri: pathToFileURL(ROOT).href,
    capabilities: {},
  });
  server.tell("initialized", {});
  const uri = pathToFileURL(join(ROOT, "test/core/unsaved.ts")).href;
  const { text, places } = writeProgram();
  const document = { uri, languageId: "typescript", version: 1, text };
  server.tell("textDocument/didOpen", { textDocument: document });
  const shown = new Map<string, string>();
  for (const { path, line, character } of places) {
    const asked = { textDocument: { uri }, position: { line, character } };
    shown.set(path, JSON.stringify(await server.ask("textDocument/hover", asked)));
  }
  assert.match(shown.get("attach") ?? "", /Default: 32 \(2…1000\)\./);
  assert.match(shown.get("socket.port") ?? "", /Default: 3000 \(0…65535\)\./);
  assert.match(shown.get("socket.drainMs") ?? "", /Default: 10000 \(0…3600000 milliseconds\)\./);
  assert.match(shown.get("auth.secret") ?? "", /Default: none \(never printed\)\./);
  const silent = [...shown].filter(([, hover]) => !hover.includes("Default: "));
  assert.deepEqual(silent, []);
});
