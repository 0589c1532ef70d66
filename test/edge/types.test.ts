import assert from "node:assert/strict";
import { test } from "node:test";
import { createEmitter, createHandler } from "../../src/edge/index.ts";
import { SECRET } from "../harness/function.ts";

/** Events as Socket.IO's own pages declare them. */
interface Listen {
  join: (room: string, done: (people: string, count: number) => void) => void;
  typing: (room: string) => void;
  tags: (...tags: string[]) => void;
}
interface Emit {
  news: (text: string, n: number) => void;
  ask: (text: string, answer: (reply: string) => void) => void;
}

// What is wrong here is wrong for the compiler: `npm run check` fails when it finds nothing to expect.
test("events that are declared once say what handlers get, return and emit", () => {
  const handler = createHandler<Listen, Emit>({
    secret: SECRET,
    events: {
      join({ args: [room] }, io) {
        io.to(room).emit("news", room.toUpperCase(), 1);
        // @ts-expect-error: there is no such event.
        io.emit("olds", "x");
        io.after(5, { key: "k" }).to(room).emit("news", "x", 1);
        io.of("/x").cancel("k");
        // @ts-expect-error: a command that cancels is carried out now.
        io.after(5).cancel("k");
        // @ts-expect-error: its acknowledgement is none of an event's arguments.
        io.emit("ask", "x", () => {});
        return ["ann", 1];
      },
      typing: () => ({ data: { typing: true }, rooms: ["typists"] }),
      tags: ({ args }) => void args.map((tag) => tag.length),
    },
  });
  createHandler<Listen>({
    secret: SECRET,
    events: { join: () => ({ ack: ["ann", 1], data: { seen: null } }) },
    connected: ({ recovered }) => ({ data: { recovered } }),
    disconnect: ({ reason }, io) => io.emit("left", reason),
  });
  // @ts-expect-error: an acknowledgement of two arguments, beside data too.
  createHandler<Listen>({ secret: SECRET, events: { join: () => ({ ack: ["ann"], data: {} }) } });
  // @ts-expect-error: an acknowledgement of two arguments.
  createHandler<Listen>({ secret: SECRET, events: { join: () => ["ann"] } });
  // @ts-expect-error: there is no such event.
  createHandler<Listen>({ secret: SECRET, events: { leave: () => {} } });
  assert.equal(typeof handler, "function");
});

test("what is remembered of a socket is declared once, too", () => {
  interface Data {
    name: string;
    seat?: { table: string; chips: number };
    cards: string[];
  }
  const handler = createHandler<Listen, Emit, Data>({
    secret: SECRET,
    connect: () => ({ userId: "u", data: { name: "ann", cards: [] } }),
    // @ts-expect-error: there is no such member.
    connected: () => ({ data: { nam: "ann" } }),
    events: {
      join: ({ socket: { data } }) => ({
        ack: [data?.name?.toUpperCase() ?? "", data?.seat?.chips ?? 0],
        data: { seat: { chips: 5 }, cards: null },
      }),
      // @ts-expect-error: a name is a string.
      typing: ({ socket: { data } }) => ({ data: { name: data?.seat?.chips } }),
    },
    disconnect: ({ socket: { data } }, io) => io.emit("news", data?.name ?? "", 0),
  });
  const undeclared = createHandler({
    secret: SECRET,
    connect: ({ socket: { data } }) => ({ data: { before: data satisfies unknown } }),
  });
  assert.deepEqual([typeof handler, typeof undeclared], ["function", "function"]);
});

test("the emitter takes the same declarations", () => {
  const io = createEmitter<Emit>({ url: "https://sluice.example", key: "k" });
  const never = () => {
    void io.to(["a", "b"]).except("c").volatile.emit("news", "x", 1);
    void io.of("/x").timeout(5).emitWithAck("ask", "x");
    void io.after(5).to("a").volatile.emit("news", "x", 1);
    // @ts-expect-error: who waits for answers waits from now on.
    void io.after(5).emitWithAck("ask", "x");
    // @ts-expect-error: its second argument is missing.
    void io.emit("news", "x");
    // @ts-expect-error: its second argument is a number.
    void io.to("a").emit("news", "x", "1");
    // @ts-expect-error: there is no such event.
    void io.in("a").emitWithAck("nope");
  };
  assert.equal(typeof never, "function");
});
