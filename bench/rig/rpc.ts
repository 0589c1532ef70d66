/** The methods one process offers to another; arguments and answers travel as JSON. */
export type Methods = Readonly<Record<string, (args: never) => unknown>>;

/** One end of the message channel between parent and child. */
export interface Channel {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: (why: string) => void): void;
}

/** Calls a method of the other process; rejects when it throws, dies or takes too long. */
export type Call = (method: string, args?: unknown, timeoutMs?: number) => Promise<unknown>;

interface Wire {
  id: number;
  method?: string;
  args?: unknown;
  result?: unknown;
  error?: string;
}

/** A round is far shorter; a process silent for this long is stuck. */
const CALL_TIMEOUT_MS = 60_000;

/** Returns the caller's side of a channel. */
export function createCaller(channel: Channel, name: string): Call {
  const waiting = new Map<number, { done(wire: Wire): void; fail(error: Error): void }>();
  let nextId = 1;
  let gone = "";
  channel.onMessage((message) => {
    const wire = message as Wire; // only `serve` writes to this channel
    waiting.get(wire.id)?.done(wire);
    waiting.delete(wire.id);
  });
  channel.onClose((why) => {
    gone = why;
    for (const one of waiting.values()) one.fail(new Error(`${name} ended: ${why}`));
    waiting.clear();
  });
  return (method, args = {}, timeoutMs = CALL_TIMEOUT_MS) =>
    new Promise((resolve, reject) => {
      if (gone) return reject(new Error(`${name} ended: ${gone}`));
      const id = nextId++;
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`${name} did not answer "${method}" within ${timeoutMs} ms`));
      }, timeoutMs);
      waiting.set(id, {
        done(wire) {
          clearTimeout(timer);
          if (wire.error === undefined) resolve(wire.result);
          else reject(new Error(`${name}, "${method}": ${wire.error}`));
        },
        fail(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
      channel.send({ id, method, args });
    });
}

/** Serves `methods` to the parent process, and ends this process when the parent is gone. */
export function serve(methods: Methods): void {
  process.on("message", async (message) => {
    const { id, method = "", args } = message as Wire; // only `createCaller` writes to this channel
    try {
      const run = methods[method] as ((args: unknown) => unknown) | undefined; // JSON in, JSON out
      if (run === undefined) throw new Error("there is no such method");
      process.send?.({ id, result: await run(args) });
    } catch (error) {
      process.send?.({
        id,
        error: error instanceof Error ? (error.stack ?? error.message) : error,
      });
    }
  });
  process.on("disconnect", () => process.exit(0));
  // A terminal's Ctrl-C reaches all processes; only the parent decides what it means.
  process.on("SIGINT", () => {});
}
