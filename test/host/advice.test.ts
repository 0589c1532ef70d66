import assert from "node:assert/strict";
import { test } from "node:test";
import { advise, type Machine } from "../../src/host/advice.ts";

const machine = (changes: Partial<Machine>): Machine => ({
  ...{ platform: "linux", arch: "x64", abi: "137", glibc: "2.41" },
  ...changes,
});

const ROWS: readonly (readonly [string, Partial<Machine>, boolean, RegExp])[] = [
  ["a system without binaries", { arch: "ia32", glibc: "2.41" }, false, /for Windows on x64/],
  ["Alpine Linux", { glibc: undefined }, false, /musl, the C library of Alpine Linux: use/],
  ["a Node.js without binaries", { abi: "131" }, true, /Node.js 20, 22, 24 and 25: use one/],
  ["no package", {}, false, /^Install @sluice\/uws-linux-x64: npm install sluice --include=opt/],
  ["glibc 2.36 and Node.js 24", { glibc: "2.36" }, true, /use Node.js 20, .*#v20\.52\.0\.$/],
  ["glibc 2.37", { glibc: "2.37" }, true, /^On glibc 2.37 or older/],
  ["glibc 2.38", { glibc: "2.38" }, true, /^Remove node_modules/],
  ["macOS", { platform: "darwin", arch: "arm64", glibc: undefined }, true, /^Remove node_modules/],
  ["Windows", { platform: "win32", glibc: undefined }, false, /^Install @sluice\/uws-win32-x64/],
];

for (const [what, changes, isInstalled, advice] of ROWS) {
  test(`where no binary loads, ${what} has its own advice`, () => {
    assert.match(advise(machine(changes), isInstalled), advice);
  });
}
