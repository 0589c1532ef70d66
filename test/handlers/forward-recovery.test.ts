import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { ConnectAnswer } from "../../src/core/call.ts";
import {
  createForward,
  type ForwardNamespace,
  type ForwardSocket,
} from "../../src/handlers/forward.ts";

type Enter = Parameters<ForwardNamespace["use"]>[0];

/** Enters a namespace whose function answers `answer`; returns the refusal and the lane's end. */
async function enter(given: { recovered: boolean; userId?: string }, answer: ConnectAnswer) {
  const ends: (string | undefined)[] = [];
  const dropped: string[] = [];
  const forward = createForward(
    { full: "refuse", dataBytesMax: 1024 },
    {
      asksConnect: () => true,
      open: () => ({
        connect: () => Promise.resolve({ ...answer, order: 1 }),
        connected: () => {},
        event: () => undefined,
        isFull: () => false,
        whenRoom: () => {},
        end: (reason) => ends.push(reason),
      }),
      apply: () => {},
      elsewhere: () => {},
      hold: (_namespace, id) => ({ release: () => {}, drop: () => dropped.push(id) }),
      tokenUserOf: () => undefined,
      watchRemoved: () => {},
      close: () => {},
      pause: () => () => {},
    },
  );
  let middleware: Enter | undefined;
  forward({
    name: "/",
    use: (one) => {
      middleware = one;
    },
    prependListener: () => {},
  });
  const conn = Object.assign(new EventEmitter(), { readyState: "open" });
  const socket: ForwardSocket = {
    id: "s1",
    nsp: { name: "/" },
    data: given.userId === undefined ? {} : { userId: given.userId },
    recovered: given.recovered,
    handshake: { headers: {}, query: {}, auth: {}, address: "", secure: false, issued: 0 },
    conn,
    connected: false,
    rooms: new Set(),
    join: () => {},
    leave: () => {},
    emit: () => {},
    use: () => {},
    on: () => {},
    listenerCount: () => 0,
  };
  const refusal = await new Promise<(Error & { data?: unknown }) | undefined>((resolve) => {
    middleware?.(socket, resolve);
  });
  return { refusal, ends, dropped, listeners: conn.listenerCount("close") };
}

test("a recovered session is refused when its function names another user, and ends as accepted", async () => {
  for (const answer of [{ userId: "bob" }, {}]) {
    const { refusal, ends, dropped, listeners } = await enter(
      { recovered: true, userId: "ann" },
      answer,
    );
    assert.deepEqual(refusal?.data, { code: "AUTH_WRONG_USER", retry: false });
    assert.deepEqual(ends, ["server namespace disconnect"], "the function hears of the end");
    assert.deepEqual(dropped, ["s1"]);
    assert.equal(listeners, 0);
  }
});

test("its own user, a session without a user and a new socket are let in", async () => {
  for (const given of [
    { recovered: true, userId: "ann" },
    { recovered: true },
    { recovered: false, userId: "left over" },
  ]) {
    const { refusal, ends } = await enter(given, { userId: "ann" });
    assert.equal(refusal, undefined);
    assert.deepEqual(ends, []);
  }
});
