import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RedisAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { readSocketIoRange, readSocketIoVersion } from "../../src/core/version.ts";
import { listEngineIo } from "../../src/seam/engine-io.ts";
import { checkLibrary, type Part } from "../../src/seam/members.ts";
import { listRedisAdapter } from "../../src/seam/redis-adapter.ts";
import { listSocketIoAdapter } from "../../src/seam/socket-io-adapter.ts";
import { listSocketIo } from "../../src/seam/socket-io-inside.ts";

/** A Redis client that never answers. */
const silent: object = new Proxy(
  {},
  {
    get(_, name) {
      if (name === "then") return undefined;
      return name === "duplicate" ? () => silent : () => new Promise(() => {});
    },
  },
);
const { sockets: namespace } = new Server();
const { sockets: recovering } = new Server({ connectionStateRecovery: {} });
const classic = new RedisAdapter(namespace, silent, silent);

/** Each library, for what it is used, and the list with which the start checks it. */
const LIBRARIES: readonly (readonly [string, string, () => Iterable<Part>])[] = [
  ["engine.io", "connections", listEngineIo],
  ["socket.io", "sockets", () => listSocketIo(new Server({ cors: {} }))],
  ["socket.io-adapter", "one node", () => listSocketIoAdapter(recovering.server)],
  ["@socket.io/redis-adapter", "methods", () => listRedisAdapter()],
  ["@socket.io/redis-adapter", "fields", () => listRedisAdapter(classic)],
];

const MADE_FOR = `Sluice works with socket.io ${readSocketIoRange()}`;

/** Returns what is left of an object when a member was renamed. */
function without(object: object, member: string): object {
  return new Proxy(object, { has: (target, name) => name !== member && name in target });
}

for (const [library, use, list] of LIBRARIES) {
  test(`${library} for ${use}: the installed version is taken, one that lacks a member is refused`, () => {
    checkLibrary(library, list);
    const parts = [...list()];
    assert.ok(parts.length > 0);
    for (const part of parts) {
      assert.ok(part.members.length > 0, part.name);
      for (const member of part.members) {
        const renamed = { ...part, object: without(part.object, member) };
        const others = parts.map((each) => (each === part ? renamed : each));
        const version = readSocketIoVersion(library);
        assert.throws(() => checkLibrary(library, () => others), {
          message: `${library} ${version} lacks ${part.name}.${member}; ${MADE_FOR}`,
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
    message: `engine.io ${readSocketIoVersion("engine.io")} cannot be checked: this.init is not a function; ${MADE_FOR}`,
  });
});

test("the range of socket.io is that of package.json, and includes the installed version", () => {
  const about = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const range = JSON.parse(about).peerDependencies["socket.io"];
  assert.equal(readSocketIoRange(), range);
  const [, lowest = ""] = /^~4\.8\.(\d+)$/.exec(range) ?? [];
  const [, patch = ""] = /^4\.8\.(\d+)$/.exec(readSocketIoVersion("socket.io")) ?? [];
  assert.ok(Number(patch) >= Number(lowest), range);
});
