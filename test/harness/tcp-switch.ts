import { connect, createServer, type Socket } from "node:net";
import type { Scope } from "./process.ts";

/** A TCP switch: new connections go to whichever port is current. */
export interface TcpSwitch {
  readonly url: string;
  readonly port: number;
  to(port: number): void;
  /** Lets nothing more through, in either direction, without a word; who comes waits as well. */
  stall(): void;
  /** Cuts what was stalled, and lets others through. */
  flow(): void;
  /** Cuts what is open. */
  cut(): void;
}

/** Starts a switch; it ends with the test. */
export async function tcpSwitch(t: Scope, first: number): Promise<TcpSwitch> {
  let current = first;
  let stalled = false;
  const open = new Set<Socket>();
  const server = createServer((inner) => {
    if (stalled) {
      open.add(inner.pause());
      inner.on("error", () => {});
      return;
    }
    const outer = connect(current, "127.0.0.1");
    const both = [inner, outer];
    for (const each of both) open.add(each);
    inner.pipe(outer).pipe(inner);
    for (const each of both) {
      each.on("error", () => {});
      each.on("close", () => {
        open.delete(each);
        // What has arrived goes on before the end does.
        for (const other of both) other.destroySoon();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const cut = () => {
    for (const each of open) each.destroy();
  };
  t.after(() => {
    server.close();
    cut();
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    to(next) {
      current = next;
    },
    stall() {
      stalled = true;
      for (const each of open) each.unpipe().pause();
    },
    flow() {
      stalled = false;
      cut();
    },
    cut,
  };
}
