import assert from "node:assert/strict";
import { test } from "node:test";
import { createId } from "../../src/socket/ids.ts";

test("session ids have 20 characters that a URL takes as they are, and none comes twice", () => {
  // More than the random bytes that are drawn at once are enough for.
  const ids = Array.from({ length: 2000 }, createId);
  for (const id of ids) assert.match(id, /^[\w-]{20}$/);
  assert.equal(new Set(ids).size, ids.length);
});
