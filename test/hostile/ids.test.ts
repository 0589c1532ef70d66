import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openClient } from "../harness/wire-io.ts";
import { type GatewayChild, startGatewayChild } from "./gateway-child.ts";

const SAMPLES = 400;
/** engine.io's ids are 15 bytes, of which the last four count up (its `base64id`). */
const RANDOM_BYTES = 11;

/** CVE-2017-16031: ids that could be guessed let strangers speak in a session. */
describe("ids", () => {
  let gateway: GatewayChild;
  const sessions: string[] = [];
  const sockets: string[] = [];
  before(async () => {
    gateway = await startGatewayChild({});
    for (let n = 0; n < SAMPLES; n++) {
      const client = await openClient(gateway.port, "websocket", "json");
      sessions.push(client.session.sid);
      sockets.push(client.id);
      client.close();
    }
  });
  after(() => gateway.stop());

  for (const [what, ids] of [
    ["session", sessions],
    ["socket", sockets],
  ] as const) {
    test(`CVE-2017-16031: every bit of a ${what} id is as often set as not`, () => {
      const bytes = ids.map((id) => Buffer.from(id, "base64url"));
      assert.equal(new Set(ids).size, SAMPLES);
      for (let bit = 0; bit < RANDOM_BYTES * 8; bit++) {
        const at = bit >> 3;
        const set = bytes.filter((id) => ((id[at] ?? 0) >> (bit & 7)) & 1).length;
        // Six standard deviations of a fair coin: 88 such bits fail once in six million runs.
        const far = Math.abs(set - SAMPLES / 2);
        assert.ok(far < 6 * Math.sqrt(SAMPLES / 4), `bit ${bit} is set ${set} times`);
      }
    });

    test(`CVE-2017-16031: neighbouring ${what} ids have half their bits in common`, () => {
      let same = 0;
      for (let n = 1; n < SAMPLES; n++) same += sameBits(ids[n - 1] ?? "", ids[n] ?? "");
      const bits = (SAMPLES - 1) * RANDOM_BYTES * 8;
      assert.ok(Math.abs(same - bits / 2) < 6 * Math.sqrt(bits / 4), `${same} of ${bits}`);
    });
  }

  test("CVE-2017-16031: a socket's id, which others may see, says nothing of its session's", () => {
    assert.ok(sockets.every((id) => !sessions.includes(id)));
  });
});

function sameBits(a: string, b: string): number {
  const [one, two] = [Buffer.from(a, "base64url"), Buffer.from(b, "base64url")];
  let same = 0;
  for (let bit = 0; bit < RANDOM_BYTES * 8; bit++) {
    const differ = ((one[bit >> 3] ?? 0) ^ (two[bit >> 3] ?? 0)) >> (bit & 7);
    if ((differ & 1) === 0) same += 1;
  }
  return same;
}
