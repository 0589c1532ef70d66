import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSettingsFile } from "../../src/core/settings-json.ts";
import { testFolder } from "../harness/process.ts";

test("a settings file that is no JSON is told with line and column, and nothing of its text", (t) => {
  // Seen: `Unexpected token 'h', ..."secret": hunter2 "... is not valid JSON`, without a line.
  const path = join(testFolder(t), "sluice.json");
  const texts: Readonly<Record<string, string>> = {
    '{\n  "auth": { "secret": hunter2 }\n}': "line 2, column 23: expected a value",
    '{\n  "log": {},\n}': "line 3, column 1: expected a name in double quotes",
    "{ log: {} }": "line 1, column 3: expected a name in double quotes or }",
    '{"a": [1, 2\n "b"]}': "line 2, column 2: expected a comma or the end of a list or object",
    '{"a" 1}': "line 1, column 6: expected a colon",
    '{"a": [,]}': "line 1, column 8: expected a value or ]",
    '{"a": 1': "line 1, column 8: expected a comma or the end of a list or object",
    "{} x": "line 1, column 4: expected the end of the file",
    '// "a"\n{}': "line 1, column 1: expected a value",
    "{'a': 1}": "line 1, column 2: expected a name in double quotes or }",
    '{"a": "b\nc"}': "line 1, column 7: expected a value",
    "": "line 1, column 1: expected a value",
  };
  for (const [text, says] of Object.entries(texts)) {
    writeFileSync(path, text);
    assert.throws(() => readSettingsFile(path), {
      message: `--config ${path} cannot be read: it is no JSON: ${says}`,
    });
  }
});

test("the place of a mistake is found in any JSON from which a character is left out", (t) => {
  const path = join(testFolder(t), "sluice.json");
  const json = '{"a": [1, -2.5e3, true], "b\\u00e9\\n": {"c": null, "d": []}, "e": "x", "f": {}}';
  for (let at = 0; at < json.length; at++) {
    const text = json.slice(0, at) + json.slice(at + 1);
    let isJson = true;
    try {
      JSON.parse(text);
    } catch {
      isJson = false;
    }
    writeFileSync(path, text);
    if (isJson) readSettingsFile(path);
    else assert.throws(() => readSettingsFile(path), /line 1, column \d+: expected /, text);
  }
});
