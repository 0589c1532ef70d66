import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createEvents } from "../../bench/generator/events.ts";
import { PEERS, type Peer, whyNot } from "../../bench/rig/peers.ts";
import { type Result, readResults } from "../../bench/rig/results.ts";
import { eachLine, readReply, rpcFrame } from "../../bench/wire/centrifugo.ts";
import { createBodies } from "../../bench/wire/marker.ts";
import { resultsFolder, runBench } from "./run-bench.ts";

test("every line of a frame is a message, its end included and empty ones not", () => {
  const told: string[] = [];
  const bytes = Buffer.from('x{"a":1}\n\n{}\n{"b":2}\ny');
  eachLine(bytes, { start: 1, end: bytes.length - 1 }, (_, start, end) =>
    told.push(bytes.toString("utf8", start, end)),
  );
  assert.deepEqual(told, ['{"a":1}', "{}", '{"b":2}']);
});

test("replies of Centrifugo are read for what they mean to a client", () => {
  assert.deepEqual(readReply("{}"), { is: "ping" });
  assert.deepEqual(readReply('{"id":1,"connect":{"client":"c","ping":25}}'), {
    ...{ is: "joined", id: "c" },
  });
  const error = { code: 3501, message: "bad request" };
  assert.deepEqual(readReply(JSON.stringify({ id: 1, error })), {
    ...{ is: "refused", why: JSON.stringify(error) },
  });
  assert.deepEqual(readReply('{"push":{"disconnect":{"code":3000}}}'), { is: "left" });
  assert.deepEqual(readReply('{"push":{"channel":"r","pub":{}}}'), { is: "other" });
});

test("calls counted up in place are those that are built one by one", () => {
  const events = createEvents({ codec: "json", protocol: "centrifugo" }, 64);
  const body = createBodies(64);
  const built = Array.from({ length: 12 }, (_, n) => rpcFrame(100_000_000 + n, body(n, 5)));
  assert.deepEqual(events(12, 5), Buffer.concat(built));
});

test("who has no part in a case is told why", () => {
  const [socketioxide, centrifugo] = PEERS;
  assert.ok(socketioxide && centrifugo);
  assert.equal(whyNot(socketioxide, { codec: "msgpack", shape: "union" }), undefined);
  assert.match(whyNot(centrifugo, { codec: "msgpack" }) ?? "", /speaks json, not msgpack/);
  assert.match(whyNot(centrifugo, { codec: "json", shape: "sender" }) ?? "", /shape sender/);
});

test("a peer whose tool is not installed is left out by name, and the others are measured", async (t) => {
  const results = resultsFolder(t);
  const bin = mkdtempSync(join(tmpdir(), "bench-bin-"));
  t.after(() => rmSync(bin, { recursive: true, force: true }));
  const nice = ["/usr/bin/nice", "/bin/nice"].find(existsSync) ?? "";
  symlinkSync(nice, join(bin, "nice"));
  const { code, output } = await runBench(
    { env: { ...process.env, PATH: bin } },
    ...["connect", "--quick", "--against", "bare,socketioxide,centrifugo"],
    ...["--connections", "20", "--results", results],
  );
  assert.equal(code, 0, output);
  assert.match(output, /socketioxide is left out: it is built by cargo \(https:/);
  assert.match(output, /centrifugo is left out: it is built by go \(https:/);
  assert.deepEqual(namesOf(readResults(results)[0]?.result), ["bare", "ours"]);
});

const namesOf = (result: Result | undefined) => result?.subjects.map(({ name }) => name).sort();

/** What a loud machine may raise in any round. */
const LOUD = new Set(["server_starved", "client_limit", "generator_late", "overrun"]);

/** Building takes minutes: whoever has built a peer, or sets PEERS, has it tested. */
function skipUnlessBuilt(t: TestContext, peer: Peer): boolean {
  const cache = join(import.meta.dirname, "../../node_modules/.cache/sluice-bench", peer.name);
  if (process.env.PEERS || existsSync(peer.build(cache).program)) return false;
  t.skip(`${peer.name} has not been built: npm run bench -- connect --against ${peer.name}`);
  return true;
}

for (const peer of PEERS)
  test(`${peer.name} delivers every message once and in order, and answers every event`, async (t) => {
    if (skipUnlessBuilt(t, peer)) return;
    const results = resultsFolder(t);
    const { code, output } = await runBench(
      ...["connect", "echo", "idle", "fanout", "bursts", "--quick"],
      ...["--codec", "json", "--shapes", "room"],
      ...["--against", peer.name, "--connections", "30", "--members", "20", "--results", results],
    );
    assert.equal(code, 0, output);
    if (/is left out: it is built by/.test(output)) return t.skip(`no ${peer.tool} here`);
    const stored = readResults(results);
    assert.equal(stored.length, 5, output);
    for (const { result } of stored) {
      assert.deepEqual(namesOf(result), ["ours", peer.name].sort(), output);
      const own = result.rounds.filter(({ subject }) => subject === peer.name);
      assert.ok(own.length > 0, output);
      const errors = own
        .flatMap(({ flags = [] }) => flags)
        .filter(({ severity, code }) => severity === "error" && !LOUD.has(code));
      assert.deepEqual(errors, [], output);
    }
  });
