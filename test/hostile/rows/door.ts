import assert from "node:assert/strict";
import { request } from "../../harness/wire-http.ts";
import { enginePath } from "../../harness/wire-io.ts";
import { openWs, UpgradeRefused } from "../../harness/wire-ws.ts";
import { type Row, refused } from "../row.ts";

/** What the gateway of {@link DOOR_ROWS} accepts. */
export const DOOR_SETTINGS = {
  limits: {
    connectionsMax: 12,
    pollingConnectionsMax: 4,
    addressConnectionsMax: 8,
    addressHandshakesPerSecond: 1,
    addressHandshakesBurst: 100,
  },
} as const;

/** Opens WebSocket sessions until one is refused; returns how many opened and the status. */
async function fill(more: () => Promise<number>) {
  for (let opened = 0; ; opened++) {
    const status = await more();
    if (status !== 101 && status !== 200) return { opened, status };
  }
}

/** How many may be inside, and how often they may knock. */
export const DOOR_ROWS: readonly Row[] = [
  {
    id: "handshake flood",
    title: "limits.addressConnectionsMax is the last that is let in from one address",
    counted: refused("limit_address_connections"),
    async attack(port) {
      const open: { close(): void }[] = [];
      const { opened, status } = await fill(async () => {
        try {
          const ws = await openWs(port, enginePath("transport=websocket"));
          open.push(ws.tcp);
          return 101;
        } catch (error) {
          if (error instanceof UpgradeRefused) return error.answer.status;
          throw error;
        }
      });
      for (const one of open) one.close();
      assert.deepEqual({ opened, status }, { opened: 7, status: 429 }); // the neighbour is the eighth
    },
  },
  {
    id: "handshake flood",
    title: "limits.pollingConnectionsMax is the last long-polling session that is let in",
    counted: refused("limit_polling"),
    async attack(port) {
      const sids: string[] = [];
      const { opened, status } = await fill(async () => {
        const answer = await request(port, { path: enginePath("transport=polling") });
        if (answer.status === 200) sids.push(JSON.parse(answer.body.slice(1)).sid);
        else assert.ok(Number(answer.headers["retry-after"]) >= 1);
        return answer.status;
      });
      for (const sid of sids) {
        const path = enginePath(`transport=polling&sid=${sid}`);
        await request(port, { method: "POST", path, body: "1" });
      }
      assert.deepEqual({ opened, status }, { opened: 4, status: 503 });
    },
  },
  {
    id: "reconnect storm",
    title: "handshakes over limits.addressHandshakesPerSecond are refused with Retry-After",
    counted: {},
    async attack(port) {
      for (let n = 0; n < 150; n++) {
        const answer = await request(port, { path: enginePath("transport=polling") });
        if (answer.status === 429) {
          assert.ok(Number(answer.headers["retry-after"]) >= 1);
          return;
        }
        const { sid } = JSON.parse(answer.body.slice(1));
        const path = enginePath(`transport=polling&sid=${sid}`);
        await request(port, { method: "POST", path, body: "1" });
      }
      assert.fail("150 handshakes at once were let in");
    },
  },
];
