import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "socket.io";
import { listEngineIo } from "../src/seam/engine-io.ts";
import { listSocketIoAdapter } from "../src/seam/socket-io-adapter.ts";
import { listSocketIo } from "../src/seam/socket-io-inside.ts";

const SRC = fileURLToPath(new URL("../src", import.meta.url));

/** Which folders may import a library; `metrics` and friends are folders, "" is src/ itself. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  "uWebSockets.js": ["host", "socket"],
  "uwebsockets-legacy": ["host"],
  "engine.io": ["seam"],
  // engine.io's own: the session cookie is written as it would write it.
  cookie: ["seam"],
  "socket.io": [
    "seam",
    "door",
    "socket",
    "handlers",
    "fanout",
    "cluster",
    "console",
    "gateway",
    "nest",
  ],
  "socket.io-adapter": ["seam", "fanout", "cluster"],
  "socket.io-parser": ["codec"],
  "prom-client": ["metrics"],
  undici: ["upstream"],
  ioredis: ["cluster"],
  "@socket.io/redis-adapter": ["seam"],
  // Sessions, events with bytes, and what the classic adapter writes.
  "@msgpack/msgpack": ["cluster"],
  "@opentelemetry/api": ["trace"],
  "@opentelemetry/exporter-trace-otlp-proto": ["trace"],
  "@opentelemetry/resources": ["trace"],
  "@opentelemetry/sdk-trace": ["trace"],
  // Only where the project of a handler module in TypeScript has it.
  tsx: ["handlers"],
  // Only in a clone: it bundles the page.
  esbuild: ["console"],
  // The user's own.
  "@nestjs/common": ["nest"],
  "@nestjs/core": ["nest"],
  jose: ["door"],
  pino: ["gateway"],
  // Its own package.json.
  sluice: ["core"],
  zod: ["core", "api"],
};

/** May know other folders: the composition root, and the entry points in src/ itself. */
const ROOTS = new Set(["", "gateway"]);
/** `edge/` runs in functions: it may know the command types of core/ and nothing else. */
const CORE = "core";
/** The private members of libraries: known to every folder but edge/, knows core/ only. */
const SEAM = "seam";
/** Connections stand on requests and responses, which plain HTTP shares. */
const HOST = { folder: "host", usedBy: "socket" };
/** An embedder of the gateway, as a user's program is. */
const EMBEDDER = { folder: "nest", uses: "gateway" };

interface Leak {
  readonly file: string;
  readonly from: string;
}

function findLeaks(files: ReadonlyMap<string, string>): Leak[] {
  const leaks: Leak[] = [];
  for (const [file, source] of files) {
    const folder = file.includes("/") ? (file.split("/")[0] ?? "") : "";
    for (const from of importsOf(source)) {
      if (!isAllowed(file, folder, from)) leaks.push({ file, from });
    }
    if (file !== "main.ts" && /\bprocess\.(env|exit|exitCode|argv)\b/.test(stripComments(source))) {
      leaks.push({ file, from: "process" });
    }
  }
  return leaks;
}

function stripComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

function importsOf(source: string): string[] {
  const text = stripComments(source);
  const found = text.matchAll(
    /(?:from\s+|import\s*\(\s*|^import\s+|require\(\s*)["']([^"']+)["']/gm,
  );
  return [...found].map((match) => match[1] ?? "");
}

function isAllowed(file: string, folder: string, from: string): boolean {
  if (from.startsWith("node:")) return folder !== "edge";
  if (!from.startsWith(".")) {
    const name = from.startsWith("@") ? from.split("/").slice(0, 2).join("/") : from.split("/")[0];
    return (LIBRARIES[name ?? ""] ?? []).includes(folder);
  }
  if (ROOTS.has(folder)) return true;
  const target = relative(SRC, join(SRC, file, "..", from)).split(sep);
  const targetFolder = target.length > 1 ? target[0] : "";
  if (targetFolder === HOST.folder && folder === HOST.usedBy) return true;
  if (folder === EMBEDDER.folder && targetFolder === EMBEDDER.uses) return true;
  if (targetFolder === SEAM && folder !== "edge" && folder !== CORE) return true;
  return targetFolder === folder || targetFolder === CORE;
}

function readTree(dir: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    files.set(relative(dir, path).split(sep).join("/"), readFileSync(path, "utf8"));
  }
  return files;
}

test("every folder imports only itself, core/ and its own libraries", () => {
  assert.deepEqual(findLeaks(readTree(SRC)), []);
});

test("every folder that a library is listed for uses it", () => {
  const sources = [...readTree(SRC)];
  for (const [library, folders] of Object.entries(LIBRARIES)) {
    const used = new RegExp(`["'\`]${library}["'\`/]`);
    for (const folder of folders) {
      const own = sources.filter(([file]) => file.startsWith(`${folder}/`));
      assert.ok(
        own.some(([, source]) => used.test(stripComments(source))),
        `${library} in ${folder}/`,
      );
    }
  }
});

/** Private members that the seam checks at start, as far as their names show that they are. */
function listPrivate(): Set<string> {
  const parts = [
    ...[...listEngineIo(), ...listSocketIo(new Server())],
    ...listSocketIoAdapter(new Server({ connectionStateRecovery: {} })),
  ];
  return new Set(parts.flatMap(({ members }) => members).filter((name) => name.startsWith("_")));
}

/** Returns where a room other than seam/ names a private member, or casts to a shape made up there. */
function findOpened(files: ReadonlyMap<string, string>): string[] {
  const names = listPrivate();
  return [...files].flatMap(([file, source]) => {
    // uWebSockets.js has no private members, and edge/ runs without these libraries.
    if (/^(seam|host|edge)\//.test(file)) return [];
    const text = stripComments(source);
    const named = [...text.matchAll(/(?<![\w$#])_\w+/g)].map(([name]) => name);
    const opened = named.filter((name) => names.has(name));
    const casts = [...text.matchAll(/as unknown as (?:\{|Record<)/g)].map(([cast]) => cast);
    return [...opened, ...casts].map((what) => `${file}: ${what}`);
  });
}

test("only seam/ opens private members of Socket.IO and its packages", () => {
  assert.ok(listPrivate().has("_createSocket"));
  assert.deepEqual(findOpened(readTree(SRC)), []);
  const planted = new Map([
    ["fanout/leak.ts", "const count = (io as Opened)._nsps.size;"],
    ["door/leak.ts", "const { _fns } = namespace as Opened;"],
    ["cluster/leak.ts", "(socket as unknown as { acks: Map<number, Ack> }).acks.clear();"],
    ["socket/fine.ts", "// io._nsps\nconst { EIO } = request._query;"],
  ]);
  assert.deepEqual(findOpened(planted), [
    "fanout/leak.ts: _nsps",
    "door/leak.ts: _fns",
    "cluster/leak.ts: as unknown as {",
  ]);
});

test("ARCHITECTURE.md has one row for each folder of src/", () => {
  const page = readFileSync(join(SRC, "../ARCHITECTURE.md"), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)\/`/gm)].map((match) => match[1]);
  const folders = readdirSync(SRC, { withFileTypes: true }).filter((each) => each.isDirectory());
  assert.deepEqual(rows.sort(), folders.map(({ name }) => name).sort());
});

test("every source file that ARCHITECTURE.md names exists", () => {
  const page = readFileSync(join(SRC, "../ARCHITECTURE.md"), "utf8");
  const others = ["/build.ts", "/test/rooms.test.ts"];
  const files = [...others, ...[...readTree(SRC).keys()].map((file) => `/${file}`)];
  const named = [...page.matchAll(/`([\w/.-]+\.ts)`/g)].map((match) => match[1] ?? "");
  assert.ok(named.length > 0);
  assert.deepEqual(
    named.filter((name) => !files.some((file) => file.endsWith(`/${name}`))),
    [],
  );
});

test("src/ itself holds the two entry points and nothing else", () => {
  const files = readdirSync(SRC, { withFileTypes: true }).filter((each) => each.isFile());
  assert.deepEqual(files.map(({ name }) => name).sort(), ["index.ts", "main.ts"]);
});

/** Returns the circles that files import each other in, each as its files. */
function findCircles(files: ReadonlyMap<string, string>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push(path.slice(at));
    if (at >= 0 || done.has(file)) return;
    for (const from of importsOf(files.get(file) ?? "")) {
      if (from.startsWith(".")) visit(posix.join(posix.dirname(file), from), [...path, file]);
    }
    done.add(file);
  };
  for (const file of files.keys()) visit(file, []);
  return circles;
}

test("no files import each other in a circle", () => {
  assert.deepEqual(findCircles(readTree(SRC)), []);
  const planted = new Map([
    ["a/one.ts", 'import { two } from "./two.ts";'],
    ["a/two.ts", 'import type { Three } from "../b/three.ts";'],
    ["b/three.ts", 'export { one } from "../a/one.ts";'],
  ]);
  assert.deepEqual(findCircles(planted), [[...planted.keys()]]);
});

test("no line of src/ is longer than 100 columns, but for text in quotes", () => {
  const long: string[] = [];
  for (const [file, source] of readTree(SRC)) {
    for (const [at, line] of source.split("\n").entries()) {
      // An apostrophe in a comment quotes nothing.
      const isQuoted = !/^\s*(\/?\*|\/\/)/.test(line) && /["'`][^"'`]{20}/.test(line);
      if (line.length > 100 && !isQuoted) long.push(`${file}:${at + 1}`);
    }
  }
  assert.deepEqual(long, []);
});

test("a planted leak is found", () => {
  const planted = new Map([
    ["fanout/leak.ts", 'import { App } from "uWebSockets.js";'],
    ["api/leak.ts", 'import { x } from "../upstream/caller.ts";'],
    ["edge/leak.ts", 'import { readFileSync } from "node:fs";'],
    ["socket/leak.ts", "const port = process.env.PORT;"],
    ["codec/leak.ts", 'const p = await import("pino");'],
    ["seam/leak.ts", 'import { x } from "../socket/engine.ts";'],
    ["core/leak.ts", 'import { x } from "../seam/engine-io.ts";'],
    ["nest/leak.ts", 'import { x } from "../socket/engine.ts";'],
  ]);
  assert.equal(findLeaks(planted).length, planted.size);
});
