import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A TCP proxy whose way from the server to its clients can be slowed or stopped. */
export interface SlowProxy {
  readonly url: string;
  /** Reads nothing from the server until `resume`. */
  pause(): void;
  resume(): void;
  /** Reads about this many bytes a second from the server; Infinity is as fast as it comes. */
  limit(bytesPerSecond: number): void;
  /** Cuts all connections without a word. */
  cut(): void;
}

const STEP_MS = 10;

/** Starts a proxy to a port of this machine; it ends with the test. */
export async function slowProxy(t: TestContext, port: number): Promise<SlowProxy> {
  const pairs = new Set<{ inner: Socket; outer: Socket }>();
  let paused = false;
  let rate = Number.POSITIVE_INFINITY;
  let allowance = 0;
  const settle = (outer: Socket): void => {
    if (paused || (rate !== Number.POSITIVE_INFINITY && allowance <= 0)) outer.pause();
    else outer.resume();
  };
  const server = createServer((inner) => {
    const outer = connect(port, "127.0.0.1");
    const pair = { inner, outer };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      inner.destroy();
      outer.destroy();
    };
    inner.pipe(outer);
    outer.on("data", (chunk) => {
      allowance -= chunk.length;
      if (!inner.write(chunk)) {
        outer.pause();
        inner.once("drain", () => settle(outer));
      } else settle(outer);
    });
    // What has arrived goes on to the client before the end does.
    outer.on("end", () => inner.end());
    outer.on("close", () => pairs.delete(pair));
    outer.on("error", () => inner.end());
    inner.on("error", end);
    inner.on("close", end);
    settle(outer);
  });
  const timer = setInterval(() => {
    if (rate === Number.POSITIVE_INFINITY) return;
    allowance = Math.min(allowance, 0) + (rate * STEP_MS) / 1000;
    for (const { outer } of pairs) settle(outer);
  }, STEP_MS);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const { inner, outer } of pairs) {
      outer.resetAndDestroy();
      inner.destroy();
    }
  };
  t.after(() => {
    clearInterval(timer);
    cut();
    server.close();
  });
  const all = () => {
    for (const { outer } of pairs) settle(outer);
  };
  const address = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${address.port}`,
    pause() {
      paused = true;
      all();
    },
    resume() {
      paused = false;
      all();
    },
    limit(bytesPerSecond) {
      rate = bytesPerSecond;
      allowance = 0;
      all();
    },
    cut,
  };
}
