import assert from "node:assert/strict";
import { test } from "node:test";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";
import { type BadArgs, createHandler, type Schema } from "../../src/edge/index.ts";
import { SECRET } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { call, event } from "./rig.ts";
import { serve } from "./serve.ts";

const SECRET_WORD = "hunter2hunter2";

/** The same list in three libraries: a short room name, and a message with an even number. */
const SCHEMAS = {
  zod: z.tuple([
    z.string().max(5),
    z.object({ text: z.enum(["a", "b"]), n: z.number().multipleOf(2) }),
  ]),
  valibot: v.tuple([
    v.pipe(v.string(), v.maxLength(5)),
    v.object({ text: v.picklist(["a", "b"]), n: v.pipe(v.number(), v.multipleOf(2)) }),
  ]),
  arktype: type(["string <= 5", { text: "'a' | 'b'", n: "number % 2" }]),
};

for (const [library, schema] of Object.entries(SCHEMAS)) {
  test(`${library}: arguments that fit reach the handler, others are refused by path`, async () => {
    let handled = 0;
    const handler = createHandler({
      secret: SECRET,
      failed: (error) => assert.fail(String(error)),
      events: {
        say: {
          args: schema as Schema<unknown[]>, // one of three types
          handler({ args }) {
            handled++;
            return args;
          },
        },
      },
    });
    const say = (...args: unknown[]) => handler(call(event("say", args)));
    const fine = await say("tea", { text: "a", n: 2 });
    assert.deepEqual(await fine.json(), { ack: ["tea", { text: "a", n: 2 }] });
    const bad: [unknown[], string][] = [
      [[SECRET_WORD, { text: "a", n: 2 }], "0"],
      [["tea", { text: SECRET_WORD, n: 2 }], "1.text"],
      [["tea", { text: "a", n: 987_654_321 }], "1.n"],
      [["tea", { text: { deep: SECRET_WORD }, n: 2 }], "1.text"],
      [["tea", SECRET_WORD], "1"],
      [[[SECRET_WORD], { text: "a", n: 2 }], "0"],
    ];
    for (const [args, path] of bad) {
      const response = await say(...args);
      assert.equal(response.status, 422);
      const text = await response.text();
      const { message, data } = JSON.parse(text) as { message: string; data: BadArgs };
      assert.equal(data.code, "BAD_ARGS");
      assert.equal(data.issues[0]?.path, path);
      assert.ok(data.issues[0]?.message);
      assert.equal(message, `the arguments do not fit: ${path}: ${data.issues[0]?.message}`);
      assert.ok(!/hunter2|987/.test(text), `${text} has the value in it`);
    }
    for (const args of [[], ["tea"]]) assert.equal((await say(...args)).status, 422);
    assert.equal(handled, 1);
  });
}

test("no value is told, in whatever words a library tells what it was given", async () => {
  const text = v.string();
  const schemas: Schema<readonly unknown[]>[] = [
    z.tuple([z.union([z.literal("a"), z.number()])]),
    z.tuple([z.email()]),
    z.tuple([]),
    v.tuple([v.pipe(text, v.email())]),
    v.tuple([
      v.pipe(
        text,
        v.check(() => false),
      ),
    ]),
    v.tuple([v.pipe(text, v.regex(/^x$/))]),
    v.strictTuple([]),
    type(["string.email"]),
    type(["string.json.parse"]),
    type(["string < 3 & /^x/"]),
    type([{ a: "string < 3 & /^x/" }]).or(["'x'"]),
    type(["string"]).narrow((_, about) => about.mustBe("good")),
  ];
  for (const args of schemas) {
    const handler = createHandler({ secret: SECRET, events: { x: { args, handler() {} } } });
    const response = await handler(call(event("x", [SECRET_WORD])));
    const said = await response.text();
    assert.equal(response.status, 422, said);
    assert.ok(!said.includes("hunter2"), said);
    assert.match(JSON.parse(said).data.issues[0].message, /^.{10,}[^\s:,(]$/s, said);
  }
});

// A pattern took the square of the value's length to see that it was not there: an hour for this one.
test("a message with a megabyte of a client's brackets is cut at once", async () => {
  const args = type(["string < 3 & /^x/"]);
  const handler = createHandler({ secret: SECRET, events: { x: { args, handler() {} } } });
  for (const piece of [" (", ") must be...", " received", " (was"]) {
    const response = await handler(call(event("x", [piece.repeat(1_000_000 / piece.length)])));
    const { data } = (await response.json()) as { data: BadArgs };
    assert.match(data.issues[0]?.message ?? "", /^value at \[0\] must be\.\.\.\n/);
  }
});

test("the handler gets what the schema makes of the arguments, also if it takes its time", async () => {
  const text = z.string().transform((given) => given.trim());
  const known = text.refine(async (room) => {
    await new Promise((resolve) => setImmediate(resolve));
    return room === "tea";
  }, "no such room");
  const handler = createHandler({
    secret: SECRET,
    events: { join: { args: z.tuple([known]), handler: ({ args }) => [...args] } },
  });
  assert.deepEqual(await (await handler(call(event("join", [" tea "])))).json(), { ack: ["tea"] });
  const refused = await handler(call(event("join", ["milk"])));
  const { data } = (await refused.json()) as { data: BadArgs };
  assert.deepEqual(data.issues, [{ path: "0", message: "no such room" }]);
});

test("what a client is told is bounded, whatever it sent", async () => {
  const key = "k".repeat(1000);
  const handler = createHandler({
    secret: SECRET,
    events: {
      many: { args: z.array(z.record(z.string(), z.string("x".repeat(999)))), handler() {} },
    },
  });
  const args = Array.from({ length: 200 }, () => ({ [key]: 1 }));
  const refused = await handler(call(event("many", args)));
  const { message, data } = (await refused.json()) as { message: string; data: BadArgs };
  assert.equal(data.issues.length, 5);
  for (const issue of data.issues) {
    assert.deepEqual([issue.path.length, issue.message.length], [200, 200]);
  }
  assert.ok(message.length < 500);
});

test("a schema that throws is a failure of the function, not of its client", async () => {
  const failures: unknown[] = [];
  const args: Schema<unknown[]> = {
    "~standard": {
      validate() {
        throw new Error("no database");
      },
    },
  };
  const handler = createHandler({
    secret: SECRET,
    failed: (error) => failures.push(error),
    events: { x: { args, handler() {} } },
  });
  assert.equal((await handler(call(event("x")))).status, 500);
  assert.match(String(failures), /no database/);
});

test("what is neither a handler nor a schema with one is refused where it is made", () => {
  for (const odd of [5, "x", {}, null, { args: z.tuple([]) }, { handler() {} }, { args: {} }]) {
    // biome-ignore lint/suspicious/noExplicitAny: what JavaScript may hand over.
    const make = () => createHandler({ secret: SECRET, events: { say: odd as any } });
    assert.throws(make, { name: "TypeError", message: /^events\.say must be a handler/ });
  }
  createHandler({ secret: SECRET, events: { say: undefined } as object });
});

test("a client's ack gets the refusal; without an ack the event ends there, alone or in a batch", async (t) => {
  const schemas = { say: z.tuple([z.string()]) };
  const heard: string[] = [];
  const handler = createHandler<typeof schemas>({
    secret: SECRET,
    events: { say: { args: schemas.say, handler: ({ args: [text] }) => void heard.push(text) } },
  });
  const url = await serve(t, handler);
  for (const batch of [false, true]) {
    const gateway = await testGateway(t, {
      upstream: { url, secrets: [SECRET], calls: ["event"], batch },
    });
    const client = await gateway.connected();
    const { error } = await client.emitWithAck("say", 5);
    assert.equal(error.code, "UPSTREAM_REFUSED");
    assert.match(error.message, /^the arguments do not fit: 0: Invalid input: expected string/);
    assert.equal(error.retry, false);
    assert.equal(error.data.code, "BAD_ARGS");
    heard.length = 0;
    client.emit("say", 6);
    client.emit("say", "fine");
    await client.emitWithAck("say", "last");
    assert.deepEqual(heard, ["fine", "last"]);
    for (const name of ["dead_lettered_total", "retries_total"]) {
      assert.equal(await gateway.metric(`sluice_upstream_${name}`), 0, name);
    }
  }
});

// What is wrong here is wrong for the compiler: `npm run check` fails when it finds nothing to expect.
test("types of the arguments follow from the schemas", () => {
  const schemas = {
    zod: z.tuple([z.string(), z.coerce.number()]),
    valibot: v.tuple([v.string(), v.number()]),
    arktype: type(["string", "number"]),
  };
  interface Declared {
    typing: (room: string) => void;
    join: (room: string, done: (people: number) => void) => void;
  }
  interface Emit {
    news: (text: string) => void;
  }
  const handler = createHandler<typeof schemas & Declared, Emit>({
    secret: SECRET,
    events: {
      zod: {
        args: schemas.zod,
        handler({ args: [text, n] }, io) {
          io.emit("news", text.toUpperCase() + n.toFixed());
          // @ts-expect-error: it is a number.
          io.emit("news", n);
        },
      },
      valibot: { args: schemas.valibot, handler: ({ args: [text, n] }) => [text.length, n + 1] },
      arktype: { args: schemas.arktype, handler: ({ args: [text, n] }) => [text.length, n + 1] },
      typing: ({ args: [room] }) => void room.length,
      // A schema of a declared event makes what is declared.
      join: {
        args: z.tuple([z.string()]).readonly(),
        handler: ({ args: [room] }) => [room.length],
      },
    },
  });
  createHandler({
    secret: SECRET,
    connect: ({ handshake }) => ({ userId: handshake.address }),
    events: {
      zod: {
        args: z.tuple([z.string(), z.object({ n: z.coerce.number() })]),
        handler({ args: [text, { n }] }, io) {
          io.emit("any", text.toUpperCase(), n.toFixed());
          // @ts-expect-error: it is a number.
          return [text, n.toUpperCase()];
        },
      },
      valibot: {
        args: v.tuple([v.string(), v.number()]),
        handler: ({ args: [text, n] }) => ({ ack: [text.length, n + 1], data: { n } }),
      },
      arktype: {
        args: type(["string", "number[]"]),
        handler: async ({ args: [text, list], socket }) => [text.length, ...list, socket.id],
      },
      async: {
        args: z.tuple([z.string().transform(async (text) => text.length)]),
        handler: ({ args: [length] }) => void length.toFixed(),
      },
      rest: {
        args: z.array(z.boolean()).readonly(),
        handler: ({ args }) => [args.every((one) => one === true)],
      },
      unchecked: ({ args: [first], ack }) => [first satisfies unknown, ack],
    },
  });
  createHandler({
    secret: SECRET,
    // @ts-expect-error: nothing says that it is a text.
    events: { unchecked: ({ args: [text] }) => [text.length] },
  });
  createHandler({
    secret: SECRET,
    // @ts-expect-error: arguments are a list.
    events: { text: { args: z.string(), handler() {} } },
  });
  createHandler<Declared>({
    secret: SECRET,
    events: {
      // @ts-expect-error: the schema makes a number of what is declared as a string.
      typing: { args: z.tuple([z.number()]), handler() {} },
      // @ts-expect-error: the acknowledgement is declared as a number.
      join: { args: z.tuple([z.string()]), handler: () => ["ann"] },
    },
  });
  createHandler<typeof schemas>({
    secret: SECRET,
    // @ts-expect-error: nothing would check what is declared by a schema.
    events: { zod: ({ args: [text] }) => void text },
  });
  const standard = z.tuple([z.string()]) satisfies StandardSchemaV1;
  const copied: Schema<[string]> = standard as StandardSchemaV1<unknown, [string]>;
  assert.deepEqual([typeof handler, copied === standard], ["function", true]);
});
