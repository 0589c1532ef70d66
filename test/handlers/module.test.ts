import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadHandler } from "../../src/handlers/module.ts";

// Seen: for a missing file the message named a chunk of Sluice's own code as the importer, and a
// folder printed a stack of ten lines: both were Node.js' errors of import().
test("a handler module that is not there, or is a folder, is named in one sentence", async () => {
  for (const [path, why] of [
    ["./nope.js", "there is no file /tmp/nope.js"],
    [".", "/tmp is a folder"],
  ] as const) {
    await assert.rejects(loadHandler(path, "/tmp"), {
      name: "SettingsError",
      message: `A setting is not usable: handlers.module = "${path}": ${why}`,
    });
  }
});

test("what a module imports is named if that is missing", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-module-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "app.mjs"), 'import "./other.mjs"; export default () => {};');
  await assert.rejects(loadHandler("app.mjs", folder), /other\.mjs' imported from .*app\.mjs/);
});
