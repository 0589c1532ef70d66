/**
 * Well-behaved clients in a process of their own, so that what slows the attackers does not slow
 * the clock their acks are measured with. `process.argv`: port, how many.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "hdr-histogram-js";
import { io as connect, type Socket } from "socket.io-client";
import * as msgpack from "socket.io-msgpack-parser";
import { next } from "../harness/wait.ts";
import type { ClientsReport } from "./clients.ts";

const [, , port = "0", count = "200"] = process.argv;
/** How often each of them asks; with 200 of them that is 400 acks a second. */
const ASK_MS = 500;

const latency = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
let holes = 0;
let ticks = 0;
let lost = 0;
let unanswered = 0;
let open = true;

async function behave(socket: Socket): Promise<void> {
  let expected: number | undefined;
  socket.on("disconnect", () => {
    if (open) lost += 1;
  });
  socket.on("tick", (tick: number) => {
    if (expected !== undefined && tick !== expected) holes += 1;
    expected = tick + 1;
    ticks += 1;
  });
  await socket.emitWithAck("join", "clients");
  await sleep(Math.random() * ASK_MS);
  while (open) {
    const began = performance.now();
    const bytes = Buffer.from("well-behaved");
    const answer: unknown = await socket
      .timeout(20_000)
      .emitWithAck("ask", bytes)
      .catch(() => null);
    if (answer === null) unanswered += 1;
    else latency.recordValue(Math.round((performance.now() - began) * 1000));
    await sleep(ASK_MS);
  }
}

const sockets: Socket[] = [];
for (let n = 0; n < Number(count); n++) {
  const transports =
    n % 4 === 3 ? ["polling"] : n % 4 === 2 ? ["polling", "websocket"] : ["websocket"];
  const parser = n % 2 === 0 ? { parser: msgpack } : {};
  const socket = connect(`http://127.0.0.1:${port}`, { transports, forceNew: true, ...parser });
  await next(socket, "connect");
  sockets.push(socket);
}
const behaving = sockets.map(behave);
process.send?.({ ready: true });

process.on("message", (word: "reset" | "stop") => {
  if (word === "reset") {
    latency.reset();
    return;
  }
  open = false;
  void Promise.all(behaving).then(() => {
    // A percentile is the upper end of its bucket, which may lie above the highest sample.
    const at = (percentile: number) =>
      Math.min(latency.maxValue, latency.getValueAtPercentile(percentile)) / 1000;
    const report: ClientsReport = {
      acks: latency.totalCount,
      p50Ms: at(50),
      p99Ms: at(99),
      maxMs: latency.maxValue / 1000,
      ticks,
      holes,
      lost,
      unanswered,
    };
    for (const socket of sockets) socket.disconnect();
    // A polling client says goodbye in a request that nothing waits for; without it the gateway
    // would have to find out by a heartbeat. So this ends when nothing is under way any more.
    process.send?.(report, () => {
      process.off("disconnect", exit);
      process.disconnect();
    });
  });
});
process.on("disconnect", exit);

function exit(): void {
  process.exit(0);
}
