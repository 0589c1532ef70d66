import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/core/settings.ts";

test("a section that is none is told with what was expected, in words", () => {
  assert.throws(() => readSettings({ socket: 3000 }), /socket = 3000: .*expected object/);
  assert.throws(() => readSettings({ socket: { tls: "on" } }), /socket\.tls = "on": .*object/);
});
