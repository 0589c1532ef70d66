import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Server } from "socket.io";
import { readVersion } from "../../src/core/version.ts";
import { listEngineIo } from "../../src/seam/engine-io.ts";
import { checkLibrary, type Part } from "../../src/seam/members.ts";
import { listSocketIo } from "../../src/seam/socket-io.ts";
import { listSocketIoAdapter } from "../../src/seam/socket-io-adapter.ts";

/** Each library, and the list with which the start checks it. */
const LIBRARIES: readonly (readonly [string, () => Iterable<Part>])[] = [
  ["engine.io", listEngineIo],
  ["socket.io", () => listSocketIo(new Server({ cors: {} }))],
  ["socket.io-adapter", () => listSocketIoAdapter(new Server({ connectionStateRecovery: {} }))],
];

/** Returns what is left of an object when a member was renamed. */
function without(object: object, member: string): object {
  return new Proxy(object, { has: (target, name) => name !== member && name in target });
}

for (const [library, list] of LIBRARIES) {
  test(`the installed ${library} has what Sluice uses, and a start refuses one that lacks any`, () => {
    checkLibrary(library, list);
    const parts = [...list()];
    assert.ok(parts.length > 0);
    for (const part of parts) {
      assert.ok(part.members.length > 0, part.name);
      for (const member of part.members) {
        const renamed = { ...part, object: without(part.object, member) };
        const others = parts.map((each) => (each === part ? renamed : each));
        const version = readVersion(library);
        assert.throws(() => checkLibrary(library, () => others), {
          message: `${library} ${version} lacks ${part.name}.${member}; Sluice is made for ${version}`,
        });
      }
    }
  });
}

test("a library that is built differently is refused with the reason", () => {
  function* list(): Generator<Part> {
    yield { name: "Socket", object: { flush() {} }, members: ["flush"] };
    throw new Error("this.init is not a function");
  }
  assert.throws(() => checkLibrary("engine.io", list), {
    message: `engine.io ${readVersion("engine.io")} cannot be checked: this.init is not a function; Sluice is made for ${readVersion("engine.io")}`,
  });
});

test("each checked library is pinned to one version, which is the installed one", () => {
  const about = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { dependencies } = JSON.parse(about);
  for (const [library] of LIBRARIES) assert.equal(dependencies[library], readVersion(library));
});
