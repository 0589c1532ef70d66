import { type TestContext, test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { until } from "../harness/wait.ts";
import { openSession } from "../harness/wire-io.ts";
import { createSpeech } from "../harness/wire-speech.ts";
import { type GatewayChild, startGatewayChild } from "./gateway-child.ts";

/** Far below what the attacks of this file took: see there. */
const HEAP_MIB = 96;
const CONNECTIONS = 60;
/** As many empty maps as a packet may hold: 6 to 7 MB of heap in 99 KB. */
const WIDE = { a: Array.from({ length: 99_000 }, () => ({})) };

async function attacked(t: TestContext, settings: PartialSettings = {}) {
  const gateway = await startGatewayChild(
    { overload: { enabled: false }, ...settings },
    { heapMiB: HEAP_MIB },
  );
  const sessions = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => openSession(gateway.port, "websocket")),
  );
  t.after(async () => {
    for (const session of sessions) session.close();
    await gateway.stop();
  });
  return { gateway, sessions };
}

const counts = (gateway: GatewayChild, series: string, count: number) =>
  until(async () => (await gateway.scrape()).get(series) === count, `${count} of ${series}`);

for (const codec of ["msgpack", "json"] as const) {
  // Seen: 82 connections with 99 KB of CONNECT each ended a process of 512 MiB of heap. The old code
  // held a CONNECT against the limits of any packet, and the socket kept it as `handshake.auth`.
  test(`wide CONNECTs are refused, and end no process of little heap (${codec})`, async (t) => {
    const { gateway, sessions } = await attacked(t);
    const { say } = createSpeech(codec);
    for (const session of sessions) await session.send(...say({ type: 0, nsp: "/", data: WIDE }));
    await counts(gateway, 'sluice_codec_refused_total{reason="CODEC_TOO_LARGE"}', CONNECTIONS);
    gateway.assertAlive();
  });

  // Seen, and why: as above. A member is a stranger to every further namespace.
  test(`as do those to further namespaces, at the end of what is allowed (${codec})`, async (t) => {
    const { gateway, sessions } = await attacked(t);
    const { say } = createSpeech(codec);
    const most = { a: Array.from({ length: 120 }, () => ({ "1000": "x".repeat(32) })) };
    const connect = (nsp: string, data: unknown) => say({ type: 0, nsp, data });
    for (const session of sessions) {
      for (let n = 0; n < 10; n++) await session.send(...connect(`/dyn-${n}`, most));
    }
    await counts(gateway, `sluice_codec_decoded_total{codec="${codec}"}`, 10 * CONNECTIONS);
    gateway.assertAlive();
    for (const session of sessions) await session.send(...connect("/slow", WIDE));
    await counts(gateway, 'sluice_codec_refused_total{reason="CODEC_TOO_LARGE"}', CONNECTIONS);
    gateway.assertAlive();
  });
}
