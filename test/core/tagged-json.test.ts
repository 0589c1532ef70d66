import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecord, writeRecord } from "../../src/cluster/leased-socket.ts";
import { COMMAND_LIMITS } from "../../src/core/commands.ts";
import { isBase64, needsTags } from "../../src/core/tagged-json.ts";
import { fromTaggedJson, reviveArgs, toTaggedJson } from "../../src/core/value.ts";
import { restoreBytes, tagBytes } from "../../src/edge/binary.ts";

const BYTES = Buffer.from([104, 105, 0, 255]);
const SPELLED = { $binary: "aGkA/w==" };

/** Values that JSON has as they are, some of which look like what bytes are spelled as. */
const PLAIN: readonly unknown[] = [
  null,
  "text",
  { a: 1, b: [true, { c: null }] },
  SPELLED,
  { $binary: "" },
  { $binary: "!" },
  { $binary: "aGk" },
  { $binary: "aG k=" },
  { $binary: "aGk=\n" },
  { $binary: 5 },
  { $binary: null },
  { $binary: SPELLED },
  { $binary: "aGk=", more: 1 },
  { $binary: "aGk=", $escape: {} },
  { $escape: {} },
  { $escape: 1 },
  { $escape: [SPELLED] },
  { $escape: SPELLED },
  { $escape: { $escape: { $escape: SPELLED } } },
  { deep: [[{ $escape: { $binary: [SPELLED] } }]] },
  { toJSON: 1, constructor: 2, hasOwnProperty: 3, length: 4 },
];

const throughGateway = (value: unknown) => JSON.parse(JSON.stringify(toTaggedJson(value)));
const throughEdge = (value: unknown) => JSON.parse(JSON.stringify(tagBytes(value)));
const revived = (value: unknown): unknown => {
  const args = [value];
  assert.equal(reviveArgs(args, "json", COMMAND_LIMITS), undefined, JSON.stringify(value));
  return args[0];
};

test("every value comes back as it was, whichever side writes and whichever reads", () => {
  for (const plain of PLAIN) {
    for (const write of [throughGateway, throughEdge]) {
      for (const read of [revived, restoreBytes, fromTaggedJson]) {
        assert.deepEqual(read(write(plain)), plain, JSON.stringify(plain));
      }
    }
    // Beside bytes, and below them in turn.
    const mixed = { plain, list: [BYTES, plain, { toJSON: null, BYTES }] };
    assert.deepEqual(revived(throughGateway(mixed)), mixed);
    assert.deepEqual(fromTaggedJson(throughEdge(mixed)), mixed);
    assert.deepEqual(restoreBytes(throughGateway({ BYTES })), { BYTES: new Uint8Array(BYTES) });
  }
});

test("what looks like bytes is written as the docs say", () => {
  for (const write of [throughGateway, throughEdge]) {
    assert.deepEqual(write(BYTES), SPELLED);
    assert.deepEqual(write(new Uint16Array([0x6968, 0xff00])), SPELLED);
    assert.deepEqual(write(new Uint8Array(BYTES).buffer), SPELLED);
    assert.deepEqual(write([SPELLED]), [{ $escape: SPELLED }]);
    assert.deepEqual(write({ $escape: 1 }), { $escape: { $escape: 1 } });
    assert.deepEqual(write({ $binary: 1, b: 2 }), { $binary: 1, b: 2 });
    // What JSON leaves out does not count as a second member.
    const odd = { $binary: "aGk=", gone: undefined, call: () => {} };
    assert.deepEqual(write(odd), { $escape: { $binary: "aGk=" } });
  }
});

// Bytes beside a member named toJSON, or in what a toJSON() gave, arrived as {"0":104,…}: whatever had
// a toJSON was left to JSON.stringify, and so were the members of every class of an application.
test("a toJSON is asked once, as JSON does, and bytes are spelled in what it gives", () => {
  class User {
    avatar = BYTES;
    #secret = 1;
    get secret() {
      return this.#secret;
    }
  }
  const keys: string[] = [];
  const asked = {
    toJSON(key: string) {
      keys.push(key);
      return { BYTES, toJSON: () => "twice" };
    },
  };
  const itself = {
    BYTES,
    toJSON() {
      return this;
    },
  };
  for (const write of [throughGateway, throughEdge]) {
    keys.length = 0;
    assert.deepEqual(write({ at: asked, list: [asked] }), {
      at: { BYTES: SPELLED },
      list: [{ BYTES: SPELLED }],
    });
    assert.deepEqual(keys, ["at", "0"]);
    assert.deepEqual(write({ toJSON: () => BYTES }), SPELLED);
    assert.deepEqual(write([{ toJSON: () => SPELLED }]), [{ $escape: SPELLED }]);
    assert.deepEqual(write(itself), { BYTES: SPELLED });
    assert.deepEqual(write({ toJSON: {}, BYTES }), { toJSON: {}, BYTES: SPELLED });
    assert.deepEqual(write({ user: new User() }), { user: { avatar: SPELLED } });
    const at = new Date(0);
    const boxed = [new Number(1), new String("a"), new Boolean(false), at, new Map([[1, 2]])];
    assert.deepEqual(write({ BYTES, boxed, no: () => 1, list: [() => 1, undefined] }), {
      BYTES: SPELLED,
      boxed: JSON.parse(JSON.stringify(boxed)),
      list: [null, null],
    });
  }
});

test("a key that is a prototype's name stays a key, and nothing's prototype", () => {
  const odd = JSON.parse('{"__proto__":{"$binary":"aGk="},"constructor":{"prototype":1}}');
  for (const write of [throughGateway, throughEdge]) {
    const back = restoreBytes(write(odd)) as object;
    assert.equal(Object.getPrototypeOf(back), Object.prototype);
    assert.deepEqual(Object.keys(back), ["__proto__", "constructor"]);
    assert.equal(JSON.stringify(back), JSON.stringify(odd));
  }
});

test("an escape is no level of nesting, and there is an object in it", () => {
  const nested = (levels: number, inner: unknown): unknown =>
    levels === 0 ? inner : [nested(levels - 1, inner)];
  const { depthMax } = COMMAND_LIMITS;
  const bound = (value: unknown) => reviveArgs([value], "json", COMMAND_LIMITS)?.bound;
  const deepest = depthMax - 2;
  assert.equal(bound(nested(deepest, {})), undefined);
  assert.equal(bound(throughGateway(nested(deepest, { $escape: 1 }))), undefined);
  assert.match(bound(throughGateway(nested(deepest + 1, { $escape: 1 }))) ?? "", /nests too deep/);
  for (const none of [1, null, [], "a"]) {
    const args = [{ at: { $escape: none } }];
    const found = reviveArgs(args, "json", COMMAND_LIMITS);
    assert.deepEqual(found, { path: "args.0.at.$escape", bound: "must be an object" });
    // Where bytes are bytes, nothing stands for them.
    assert.equal(reviveArgs(args, "msgpack", COMMAND_LIMITS), undefined);
    assert.deepEqual(args, [{ at: { $escape: none } }]);
  }
  const bad = reviveArgs([{ $escape: { a: [{ $binary: "?" }] } }], "json", COMMAND_LIMITS);
  assert.equal(bad?.path, "args.0.$escape.a.0.$binary");
});

// Base64 of 16 MB ended in a 500: the expression that checked it needed one step of stack for every
// four characters.
test("base64 of any length is told from what is none", () => {
  const long = "A".repeat(24_000_000);
  assert.equal(isBase64(long), true);
  assert.equal(isBase64(`${long.slice(4)}A?==`), false);
  for (const yes of ["", "AAAA", "AA==", "AAA="]) assert.equal(isBase64(yes), true, yes);
  for (const no of ["A", "AA", "AAA", "A===", "====", "AA=A", "AAAA=", "AA==AA==", "AA-_", 5]) {
    assert.equal(isBase64(no), false, String(no));
  }
});

test("values without anything to spell are not copied", () => {
  const plain = { a: [1, { b: "c" }], at: new Date(0), binary: "$binary", toJSON: 1 };
  assert.equal(needsTags(plain), false);
  assert.equal(toTaggedJson(plain), plain);
});

// The disconnect call for a socket of a node that had died told of bytes as of records of numbers.
test("what other nodes keep of a socket has its bytes, and what looks like them", () => {
  const socket = { id: "s", namespace: "/", userId: "u", data: { BYTES, odd: SPELLED } };
  assert.deepEqual(readRecord(writeRecord(socket)), socket);
});
