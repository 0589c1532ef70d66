import assert from "node:assert/strict";
import { answerOrEnd, formatRequest, request } from "../../harness/wire-http.ts";
import { enginePath } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import { formatUpgrade, openWs, takeWs, UpgradeRefused } from "../../harness/wire-ws.ts";
import type { Row } from "../row.ts";
import { MALFORMED_ROWS } from "./malformed.ts";
import { HANDSHAKE, queryOf, REFUSAL_ROWS, WS } from "./refusals.ts";

const served = async (port: number, headers: Record<string, string>, path = WS) => {
  const ws = await openWs(port, path, headers);
  assert.match((await ws.next()).payload.toString(), /^0\{/);
  ws.tcp.close();
};

const MORE_ROWS: Row[] = [
  {
    id: "GHSA-5v72",
    title: "Sec-WebSocket-Extensions of Object's own names are not looked up",
    counted: {},
    async attack(port) {
      for (const name of ["constructor", "__proto__", "toString; constructor=1"]) {
        await served(port, { "sec-websocket-extensions": name });
      }
    },
  },
  {
    id: "CVE-2016-10544",
    title: "compression is not negotiated",
    counted: {},
    async attack(port) {
      const offer = "permessage-deflate; client_max_window_bits";
      const ws = await openWs(port, WS, { "sec-websocket-extensions": offer });
      assert.equal(ws.answer.headers["sec-websocket-extensions"], undefined);
      ws.tcp.close();
    },
  },
  {
    id: "CVE-2021-32640",
    title: "a Sec-WebSocket-Protocol of spaces and commas costs nothing",
    counted: {},
    async attack(port) {
      for (const value of [
        `a${" ".repeat(900)}b`,
        `${",".repeat(900)}a`,
        `a${"\t,".repeat(450)}`,
      ]) {
        const ws = await openWs(port, WS, { "sec-websocket-protocol": value }).catch(
          (error: unknown) => assert.ok(error instanceof UpgradeRefused),
        );
        if (ws) ws.tcp.close();
      }
    },
  },
  {
    id: "CVE-2022-41940",
    title: "a reset during an invalid upgrade harms nobody",
    counted: {},
    async attack(port) {
      for (let n = 0; n < 50; n++) {
        const tcp = await openTcp(port);
        const path = n % 2 === 0 ? HANDSHAKE : enginePath("transport=abc");
        tcp.write(formatUpgrade(path));
        tcp.close("reset");
      }
    },
  },
  {
    id: "CVE-2022-21676",
    title: "a frame with RSV2 and RSV3 around the upgrade ends only itself",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      const frame = Buffer.from([0xb1, 0x81, 0, 0, 0, 0, 0x32]);
      tcp.write(Buffer.concat([formatUpgrade(WS), frame]));
      const ws = await takeWs(tcp).catch((error: unknown) => {
        // If the upgrade is refused, the frame is read as a request: the newer uWebSockets.js
        // answers it at once and drops the refusal, which is not yet written.
        const hidden = error instanceof UpgradeRefused && error.answer.status === 505;
        throw hidden ? new Error("505 took the place of a refusal with 503") : error;
      });
      tcp.write(frame);
      assert.equal((await ws.ended()).code, "none");
    },
  },
  {
    id: "sizes",
    title: "a query of limits.queryBytesMax is served",
    counted: {},
    async attack(port) {
      await poll(port, queryOf(2048));
    },
  },
  {
    id: "sizes",
    title: "headers of limits.headerBytesMax are served",
    counted: {},
    attack: (port) => poll(port, HANDSHAKE, { "x-pad": "x".repeat(1024 - 18) }),
  },
  {
    id: "pipelining",
    title: "a thousand requests in one segment are answered or cut",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      const one = formatRequest({ path: enginePath("transport=abc") });
      tcp.write(Buffer.concat(Array.from({ length: 1000 }, () => one)));
      for (let n = 0; n < 1000; n++) {
        const outcome = await answerOrEnd(tcp);
        if (outcome === "ended") break;
        assert.equal(outcome, 400);
      }
      tcp.close();
    },
  },
];

/** Opens a long-polling session and ends it again. */
async function poll(port: number, path: string, headers: Record<string, string> = {}) {
  const answer = await request(port, { path, headers });
  assert.equal(answer.status, 200, answer.body);
  const { sid } = JSON.parse(answer.body.slice(1));
  await request(port, { method: "POST", path: `${HANDSHAKE}&sid=${sid}`, body: "1" });
}

/** What the gateway of these rows accepts. */
export const HTTP_SETTINGS = {
  limits: { queryBytesMax: 2048, headerBytesMax: 1024 },
  socket: { packetBytesMax: 1_000_000 },
} as const;

/** HTTP requests and WebSocket handshakes. */
export const HTTP_ROWS: readonly Row[] = [...MALFORMED_ROWS, ...REFUSAL_ROWS, ...MORE_ROWS];
