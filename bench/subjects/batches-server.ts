import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Pool } from "undici";
import { serve } from "../rig/rpc.ts";
import { createBodies, nowUs } from "../wire/marker.ts";
import { BATCH, type BatchLoad } from "./batches-load.ts";
import { OPEN_DOOR } from "./limits.ts";

/** How the server of `batches` and `durable` starts: a compiled gateway, or bare undici. */
export interface BatchesServerOptions {
  readonly build: string | undefined;
  /** Port of the function. */
  readonly port: number;
  /** Events of one batch. */
  readonly batchMax?: number;
  /** More sections of the gateway's settings. */
  readonly cluster?: Readonly<Record<string, unknown>>;
  /** Where calls wait: `redis` or `memory`. */
  readonly durable?: string;
}

interface GatewayModule {
  startGateway(settings: unknown): Promise<{ port: number }>;
}

let functionPort = 0;

serve({
  async start({ build, port, batchMax = BATCH, cluster = {}, durable }: BatchesServerOptions) {
    functionPort = port;
    if (build === undefined) return { port: 0 };
    const module: unknown = await import(pathToFileURL(join(build, "index.js")).href);
    const { startGateway } = module as GatewayModule; // the build's own public face
    const gateway = await startGateway({
      socket: { host: "127.0.0.1", port: 0 },
      ...OPEN_DOOR,
      log: { level: "silent" },
      upstream: {
        url: `http://127.0.0.1:${port}/call`,
        calls: ["event"],
        secrets: [`whsec_${Buffer.alloc(32, 1).toString("base64")}`],
        batch: true,
        batchMax,
        socketQueueMax: 100_000,
        ...(durable !== undefined && { durable }),
      },
      cluster,
    });
    return { port: gateway.port };
  },
  post: (load: BatchLoad) => postBare(load),
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) / 1e6 };
  },
});

/**
 * The control: bodies of the same events by undici alone, as many open at once. No sockets, no
 * signature, no CloudEvents, no order to keep. Resolves with the events that were answered.
 */
async function postBare(load: BatchLoad): Promise<number> {
  const pool = new Pool(`http://127.0.0.1:${functionPort}`, { connections: load.connections });
  const endUs = nowUs() + load.durationMs * 1000;
  const bodies = createBodies(load.payload);
  const headers = { "content-type": "application/json" };
  let answered = 0;
  await Promise.all(
    Array.from({ length: load.connections }, async (_, index) => {
      const socket = { id: `${index}`, namespace: "/", data: {} };
      let sequence = 0;
      const make = () => {
        const args = [index, sequence, bodies(sequence++, 0)];
        return { data: { socket, event: "e", args, ack: true } };
      };
      while (nowUs() < endUs) {
        const body = JSON.stringify(Array.from({ length: BATCH }, make));
        const answer = await pool.request({ path: "/call", method: "POST", headers, body });
        await answer.body.dump();
        answered += BATCH;
      }
    }),
  );
  await pool.close();
  return answered;
}
