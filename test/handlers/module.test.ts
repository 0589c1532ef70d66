import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadHandler } from "../../src/handlers/module.ts";
import { findSyntaxError } from "../../src/handlers/syntax.ts";
import { testFolder } from "../harness/process.ts";

// Seen: for a missing file the message named a chunk of Sluice's own code as the importer, and a
// folder printed a stack of ten lines: both were Node.js' errors of import().
test("a handler module that is not there, or is a folder, is named in one sentence", async (t) => {
  const folder = testFolder(t);
  for (const [path, why] of [
    ["./nope.js", `there is no file ${folder}/nope.js`],
    [".", `${folder} is a folder`],
  ] as const) {
    await assert.rejects(loadHandler(path, folder), {
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

// Seen: of a .js file whose package.json names no type Node.js 20 said no place, and of CommonJS ten
// lines of a stack of its own files.
test("a syntax error of JavaScript is told with its place, and without a stack", async (t) => {
  const folder = testFolder(t);
  const texts = {
    "plain.js": "export default (io) => {\n  io. }",
    "common.cjs": "let a;\nlet a. b;",
  };
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(folder, name), text);
    assert.match(findSyntaxError(join(folder, name)) ?? "", /^\/.*:2\n.*\n +\^+$/);
  }
  await assert.rejects(loadHandler("common.cjs", folder), ({ message }: Error) => {
    assert.match(message, /common\.cjs:2/);
    return !/^ +at /m.test(message);
  });
});
