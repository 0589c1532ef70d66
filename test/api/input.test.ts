import assert from "node:assert/strict";
import { test } from "node:test";
import { createInput } from "../../src/api/bodies.ts";
import type { Exchange } from "../../src/core/http.ts";

/** A request whose body the test sends chunk by chunk. */
function fakeExchange() {
  let take: (chunk: Buffer, last: boolean) => void = () => {};
  let abort: () => void = () => {};
  const seen = { pauses: 0, resumes: 0 };
  const exchange: Exchange = {
    ...{ method: "POST", path: "/", query: "", headers: {} },
    isDone: () => false,
    onAborted(listener) {
      abort = listener;
    },
    onChunk(listener) {
      take = listener;
    },
    pause: () => void seen.pauses++,
    resume: () => void seen.resumes++,
    respond() {},
    stream: () => undefined,
  };
  const send = (bytes: number, last = false) => {
    // Lent, as the real one is: what is not copied in the call is overwritten after it.
    const lent = Buffer.alloc(bytes, "x");
    take(lent, last);
    lent.fill("?");
  };
  return { exchange, send, abort: () => abort(), seen };
}

test("what waits to be read is bounded: above 64 KiB the connection is paused until it is taken", async () => {
  const { exchange, send, seen } = fakeExchange();
  const input = createInput(exchange);
  send(65_000);
  send(536);
  assert.equal(seen.pauses, 0);
  send(1);
  assert.equal(seen.pauses, 1);
  const arrived = await input.next();
  assert.ok(typeof arrived === "object");
  assert.equal(arrived.bytes.toString(), "x".repeat(65_537));
  assert.equal(seen.resumes, 1);
});

test("whoever waits gets the next chunk, the end, or that the client has gone", async () => {
  const { exchange, send, abort } = fakeExchange();
  const input = createInput(exchange);
  const waiting = input.next();
  send(3);
  assert.deepEqual(await waiting, { bytes: Buffer.from("xxx"), last: false });
  const last = input.next();
  send(0, true);
  assert.deepEqual(await last, { bytes: Buffer.alloc(0), last: true });
  const gone = createInput(exchange);
  const never = gone.next();
  abort();
  assert.equal(await never, "gone");
  assert.equal(await input.next().then((one) => typeof one), "object");
  input.end();
  assert.equal(await input.next(), "ended");
});
