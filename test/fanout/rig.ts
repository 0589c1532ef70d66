import { EventEmitter } from "node:events";
import type { TestContext } from "node:test";
import { Server, type ServerOptions } from "socket.io";
import { ClusterAdapter } from "socket.io-adapter";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type Attached, attach } from "../../src/gateway/attach.ts";
import { listen } from "../../src/host/listen.ts";
import { loadNative } from "../../src/host/native.ts";

/** A Socket.IO server on a uWebSockets.js app of its own, as `sluice/attach` makes it. */
export interface Rig {
  readonly io: Server;
  readonly attached: Attached;
  /** Whether connection state recovery is on. */
  readonly recovers: boolean;
  readonly port: number;
  readonly url: string;
  /** Counted deliveries so far. */
  deliveries(): number;
  /** Messages that went out through topics so far, counted per recipient. */
  published(): number;
}

/** Starts a server for a test; it ends with the test. */
export async function startRig(
  t: TestContext,
  settings: Pick<PartialSettings, "socket" | "fanout" | "codec"> = {},
  options: Partial<ServerOptions> = {},
): Promise<Rig> {
  const io = new Server({ serveClient: false, ...options });
  const app = loadNative().uws.App();
  const attached = attach(io, app, settings);
  const listening = await listen(app, { host: "127.0.0.1", port: 0 });
  t.after(async () => {
    await io.close();
    attached.detach();
    listening.close();
  });
  return {
    io,
    attached,
    recovers: options.connectionStateRecovery !== undefined,
    port: listening.port,
    url: `http://127.0.0.1:${listening.port}`,
    deliveries: () => attached.samples().fanout.deliveries,
    published: () => attached.samples().fanout.framesOut,
  };
}

/** Starts two servers whose adapters, Socket.IO's own cluster ones, share a bus in this process. */
export async function startTwoRigs(t: TestContext): Promise<readonly [Rig, Rig]> {
  const bus = new EventEmitter();
  class BusAdapter extends ClusterAdapter {
    // biome-ignore lint/suspicious/noExplicitAny: the namespace is `any` to the class it extends
    constructor(nsp: any) {
      super(nsp);
      bus.on("message", (text: string) => this.onMessage(JSON.parse(text), undefined as never));
    }
    override serverCount() {
      return Promise.resolve(2);
    }
    override async doPublish(message: object) {
      bus.emit("message", JSON.stringify(message));
      return "";
    }
    override async doPublishResponse(_to: string, response: object) {
      bus.emit("message", JSON.stringify(response));
    }
  }
  const options = { adapter: BusAdapter };
  return [await startRig(t, {}, options), await startRig(t, {}, options)];
}
