import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BOTH, findOfBinary, SAME } from "../binary.ts";
import { ROOT } from "../harness/process.ts";

const files = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => `test/${name}`);

test("each row of what is the same with any binary has files, and none of a room that needs both", () => {
  for (const [pattern, why] of SAME) {
    const found = files.filter((file) => pattern.test(file));
    assert.ok(found.length > 0, `${pattern} (${why}) names no file`);
    assert.deepEqual(
      found.filter((file) => BOTH.test(file)),
      [],
      `${pattern}`,
    );
  }
});

test("what loads the binary or starts a process runs with both, by whatever way it reaches that", () => {
  const imports = (...paths: string[]) => ({
    bytes: 0,
    imports: paths.map((path) => ({
      ...{ path, kind: "import-statement" as const },
      ...(path.startsWith("node:") && { external: true }),
    })),
  });
  const inputs = {
    "test/a/loads.test.ts": imports("src/a.ts"),
    "test/a/starts.test.ts": imports("src/pure.ts", "test/harness/process.ts"),
    "test/a/pure.test.ts": imports("src/pure.ts", "node:fs"),
    "test/socket/pure.test.ts": imports("src/pure.ts"),
    "test/bench/rig.test.ts": imports("src/a.ts"),
    // They import each other.
    "src/a.ts": imports("src/b.ts"),
    "src/b.ts": imports("src/a.ts", "src/host/native.ts"),
    "src/pure.ts": imports("node:path"),
    "test/harness/process.ts": imports("node:child_process"),
  };
  const all = Object.keys(inputs).filter((file) => file.endsWith(".test.ts"));
  assert.deepEqual(findOfBinary(all, inputs), [
    "test/a/loads.test.ts",
    "test/a/starts.test.ts",
    "test/socket/pure.test.ts",
  ]);
});
