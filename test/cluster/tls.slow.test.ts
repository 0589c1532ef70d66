/** Redis over TLS: whose certificate is believed, and what is said when it is not. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openRedis } from "../../src/cluster/redis.ts";
import { readSettings } from "../../src/core/settings.ts";
import { examine } from "../../src/gateway/doctor.ts";
import { createCertificates } from "../harness/certificates.ts";
import { findFreePort } from "../harness/free-port.ts";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

/** A Redis that speaks TLS with a certificate for `redis.test`, and asks for one if told to. */
async function tlsRedis(t: TestContext, asks: boolean) {
  const { make } = createCertificates(t);
  const server = make("server", ["redis.test"]);
  const client = make("client", ["client.test"]);
  const other = make("other", ["redis.test"]);
  const port = await findFreePort();
  await testRedis(t, [
    ...["--tls-port", String(port), "--tls-auth-clients", asks ? "yes" : "no"],
    ...["--tls-cert-file", server.certFile, "--tls-key-file", server.keyFile],
    ...["--tls-ca-cert-file", client.certFile],
  ]);
  const redisUrl = `rediss://127.0.0.1:${port}`;
  const right = { redisUrl, redisCaFile: server.certFile, redisServerName: "redis.test" };
  return { right, client, other, port };
}

async function doctor(cluster: object): Promise<string> {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  await examine(readSettings({ cluster }), { production: false, print });
  return lines.filter((line) => line.includes("cluster.")).join("\n");
}

for (const asks of [false, true]) {
  const how = asks ? "that asks for a certificate" : "with a certificate of its own";
  test(`two gateways meet at a Redis ${how}`, async (t) => {
    if (!hasTool(t, "redis-server") || !hasTool(t, "openssl")) return;
    const { right, client } = await tlsRedis(t, asks);
    const own = asks && { redisCertFile: client.certFile, redisKeyFile: client.keyFile };
    const cluster = { ...right, ...own, timeoutMs: 10_000 };
    const [a, b] = [await testGateway(t, { cluster }), await testGateway(t, { cluster })];
    await until(async () => (await a.io.of("/").adapter.serverCount()) === 2, "both nodes");
    const far = await b.connected();
    const heard = next<[number]>(far, "n");
    a.io.emit("n", 1);
    assert.equal((await heard)[0], 1);
    assert.match(await doctor(cluster), /^ok {4}cluster\.redisUrl: Redis answers$/);
  });
}

test("what is wrong with the certificates is one sentence at start, and the doctor says it", async (t) => {
  if (!hasTool(t, "redis-server") || !hasTool(t, "openssl")) return;
  const { right, client, other, port } = await tlsRedis(t, false);
  const rows: [cluster: object, sentence: RegExp][] = [
    [{ ...right, redisCaFile: other.certFile }, /did not answer within 4000 ms: self.signed cert/],
    [{ ...right, redisCaFile: "" }, /did not answer within 4000 ms: self.signed cert/],
    [
      { ...right, redisServerName: "" },
      /did not answer within 4000 ms: Hostname\/IP does not match/,
    ],
    [
      { ...right, redisCaFile: "nowhere.pem" },
      /cluster\.redisCaFile = "nowhere\.pem": there is no file/,
    ],
    [
      { ...right, redisCertFile: client.certFile },
      /cluster\.redisKeyFile = "": must be set too, because cluster\.redisCertFile is/,
    ],
    [
      { redisUrl: `redis://127.0.0.1:${port}`, redisCaFile: right.redisCaFile },
      /cluster\.redisCaFile = .*: needs TLS/,
    ],
  ];
  await Promise.all(
    rows.map(async ([address, sentence]) => {
      const cluster = { ...address, timeoutMs: 4000, startup: "fail" } as const;
      await assert.rejects(testGateway(t, { cluster }), (error: Error) => {
        assert.match(error.message, sentence);
        return !error.message.includes("\n");
      });
      const said = String(sentence.source).replace("did not answer within 4000 ms", "no answer.*");
      assert.match(await doctor(cluster), new RegExp(`^bad .*${said}`));
    }),
  );
});

test("a start that is given up in the middle of a handshake ends nothing else", async (t) => {
  // Seen: the process ended at what Redis answered to a handshake that was broken off.
  if (!hasTool(t, "redis-server") || !hasTool(t, "openssl")) return;
  const { right } = await tlsRedis(t, false);
  const redisUrl = right.redisUrl;
  const address = { redisUrl, redisCaFile: "", redisCertFile: "", redisKeyFile: "" };
  const seen = { changed() {}, reconnected() {}, failed() {} };
  const given = { ...address, redisServerName: "redis.test", timeoutMs: 10_000, pendingMax: 1 };
  const ends: Promise<void>[] = [];
  for (let turn = 0; turn < 300; turn++) {
    const link = openRedis(given, seen);
    // At every moment of it.
    const end = new Promise((resolve) => setTimeout(resolve, turn / 20)).then(link.stop);
    ends.push(end);
    if (turn % 10 === 9) await end;
  }
  await Promise.all(ends);
  const sound = await testGateway(t, { cluster: right });
  assert.equal(await sound.metric("sluice_cluster_redis_up"), 1);
});
