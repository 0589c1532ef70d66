/** The packages of binaries, as they are made for each system. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describePackage, readPins, writePackage } from "../../packages/uws/generate.ts";
import { listBinaries, namePackage, PLATFORMS, SOURCES } from "../../packages/uws/platforms.ts";
import { ROOT, testFolder } from "../harness/process.ts";

const about = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

test("a package has the binaries of its system only, with licence, checksums and origin", (t) => {
  const folder = testFolder(t);
  writePackage({ os: "linux", cpu: "arm64" }, folder);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const binaries = files.filter((name) => name.endsWith(".node")).sort();
  assert.deepEqual(binaries, [
    "legacy/uws_linux_arm64_115.node",
    ...[115, 127, 137, 141].map((abi) => `uws_linux_arm64_${abi}.node`),
  ]);
  const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8").trim().split("\n");
  assert.equal(sums.length, binaries.length);
  for (const line of sums) {
    const bytes = readFileSync(join(folder, line.slice(66)));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), line.slice(0, 64));
  }
  assert.match(readFileSync(join(folder, "LICENSE"), "utf8"), /Apache License\s+Version 2\.0/);
  const made = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.deepEqual([made.os, made.cpu, made.libc], [["linux"], ["arm64"], ["glibc"]]);
  assert.deepEqual([made.version, made.license], [about.version, about.license]);
  assert.equal(made.uWebSockets["."].version, "20.57.0");
  assert.equal(made.scripts, undefined);
});

test("a binary that is not the pinned one is refused, and nothing is written", (t) => {
  const folder = testFolder(t);
  const pins = new Map(readPins());
  const pin = "@btc-vision/uwebsockets.js/uws_darwin_x64_137.node";
  pins.set(pin, "0".repeat(64));
  assert.throws(() => writePackage({ os: "darwin", cpu: "x64" }, folder, { pins }), {
    message:
      /^@btc-vision\/uwebsockets\.js\/uws_darwin_x64_137\.node has the sha256 [0-9a-f]{64}, not/,
  });
  assert.deepEqual(readdirSync(folder), []);
});

test("each binary is pinned, and nothing else", () => {
  const count = PLATFORMS.flatMap((system) => SOURCES.map((from) => listBinaries(system, from)));
  assert.equal(readPins().size, count.flat().length);
});

test("each system's page row, package and pins are there: docs/uwebsockets.md has them all", () => {
  const page = readFileSync(join(ROOT, "docs/uwebsockets.md"), "utf8");
  for (const platform of PLATFORMS) {
    assert.ok(page.includes(`\`${namePackage(platform)}\``), namePackage(platform));
  }
  for (const { installed } of SOURCES) {
    const source = JSON.parse(
      readFileSync(join(ROOT, "node_modules", installed, "package.json"), "utf8"),
    );
    const address = source.repository.url.replace(/^git\+|\.git$/g, "");
    for (const fact of [source.name, source.version, address]) assert.ok(page.includes(fact), fact);
  }
  assert.ok(existsSync(join(ROOT, "packages/uws/sha256sums.txt")));
  assert.ok(page.includes("packages/uws/sha256sums.txt"));
});

test("all packages have one repository, from the package.json of Sluice", () => {
  const edge = JSON.parse(readFileSync(join(ROOT, "packages/edge/package.json"), "utf8"));
  for (const each of [edge, ...PLATFORMS.map(describePackage)]) {
    assert.equal(each.repository.url, about.repository.url);
    assert.deepEqual([each.bugs, each.homepage], [about.bugs, about.homepage]);
  }
});
