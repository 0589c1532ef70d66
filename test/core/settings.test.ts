import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type * as z from "zod/mini";
import {
  listSettings,
  type PartialSettings,
  readSettings,
  type SETTINGS,
} from "../../src/core/settings.ts";

test("a section that is none is told with what was expected, in words", () => {
  assert.throws(() => readSettings({ socket: 3000 }), /socket = 3000: .*expected object/);
  assert.throws(() => readSettings({ socket: { tls: "on" } }), /socket\.tls = "on": .*object/);
});

test("a value that is gone is told with what to set in its place", () => {
  assert.throws(
    () => readSettings({ cluster: { adapter: "sharded" } }),
    /cluster\.adapter = "sharded": is gone: .*set cluster\.adapter to streams/,
  );
  assert.throws(() => readSettings({ cluster: { adapter: "x" } }), /must be streams \| pubsub/);
});

test("a setting that is gone is told with the one in its place", () => {
  const bound = /is gone: set upstream\.full, which is refuse, pause or close/;
  assert.throws(() => readSettings({ upstream: { overflow: "close" } }), bound);
});

test("every setting is read by some code", () => {
  // Seen: socket.compression, with a bound and a default, which nothing ever looked at.
  const folder = new URL("../../src/", import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("core/settings"))
    .map((file) => readFileSync(new URL(file, folder), "utf8"));
  const words = new Set(files.flatMap((text) => text.match(/\w+/g) ?? []));
  const unread = listSettings().filter(({ path }) => !words.has(path.split(".").at(-1) ?? ""));
  assert.deepEqual(unread, []);
});

/** Whether two types are the same, and not only assignable to each other. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test("the generated type of the settings is what their schemas take", () => {
  const isSame: Same<PartialSettings, z.input<typeof SETTINGS>> = true;
  assert.ok(isSame, "checked by the compiler");
});
