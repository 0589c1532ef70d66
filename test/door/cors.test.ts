import assert from "node:assert/strict";
import { test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { type Answer, type Ask, ask } from "../harness/http.ts";
import { startStock } from "../harness/stock.ts";

const ORIGIN = "https://app.example";

test("an allowed page can read every answer, refusals of all kinds included", async (t) => {
  // Seen: a page of an allowed origin got "CORS error" for each 400, 413 and drain's 503, where the
  // reference shows it the status. Only answers that engine.io emits `headers` for carried them.
  const socket = { origins: [ORIGIN], drainMs: 2000, packetBytesMax: 2048 };
  const gateway = await testGateway(t, { socket });
  const path = `${gateway.url}/socket.io/?EIO=4`;
  const headers = { origin: ORIGIN };
  const shake = async () => {
    const { body } = await ask(`${path}&transport=polling`, { headers });
    return `${path}&transport=polling&sid=${JSON.parse(body.slice(1)).sid}`;
  };
  const [large, twice, wrong] = [await shake(), await shake(), await shake()];
  // Two polls at once: the second is refused, and the first ends with the session.
  const both = [ask(twice, { headers }), ask(twice, { headers })];
  const post = (body: string, more = {}): Ask => {
    return { method: "POST", body, headers: { ...headers, ...more } };
  };
  const readable = async (status: number, answer: Promise<Answer> | Answer) => {
    const { status: got, headers: given } = await answer;
    assert.deepEqual([got, given["access-control-allow-origin"]], [status, ORIGIN]);
    assert.equal(given["access-control-allow-credentials"], "true");
    assert.equal(given.vary, "Origin");
  };
  await readable(400, ask(`${path}&transport=none`, { headers }));
  await readable(400, ask(`${path}&transport=polling&sid=none`, { headers }));
  await readable(400, ask(`${path}&transport=polling`, post("40")));
  await readable(413, ask(large, post("4".repeat(2049))));
  await readable(400, ask(wrong, post("40", { "content-type": "application/octet-stream" })));
  const [first, second] = (await Promise.all(both)).sort((a, b) => a.status - b.status);
  assert.ok(first && second);
  await readable(200, first);
  await readable(400, second);
  // A drain of one client may be over at once.
  await Promise.all(Array.from({ length: 10 }, () => gateway.connected({ headers })));
  const stopped = gateway.stop();
  await readable(503, ask(`${path}&transport=polling`, { headers }));
  await stopped;
});

test("what a listener of `headers` sets stands in the place of the door's own", async (t) => {
  const gateway = await testGateway(t, { socket: { origins: [ORIGIN] } });
  gateway.io.engine.on("headers", (headers: Record<string, string>) => {
    headers.vary = "Origin, Accept";
  });
  const url = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const answer = await ask(url, { headers: { origin: ORIGIN } });
  assert.equal(answer.headers["access-control-allow-origin"], ORIGIN);
  assert.equal(answer.headers.vary, "Origin, Accept");
});

for (const [title, cors, origins] of [
  ["one origin", { origin: [ORIGIN], credentials: true }, [ORIGIN]],
  ["every origin", { origin: "*" }, ["*"]],
  ["none", undefined, []],
] as const) {
  test(`OPTIONS and CORS headers are those of stock socket.io that allows ${title}`, async (t) => {
    // Seen: other methods, no Access-Control-Request-Headers in Vary, nothing for `*` without an
    // Origin, and a 204 where nothing was allowed, which no middleware ever saw.
    const options = cors && { cors: { ...cors, origin: cors.origin as string } }; // or a list
    const stock = await startStock(t, options);
    const gateway = await testGateway(t, { socket: { origins: [...origins] } });
    const rows = await Promise.all(
      [stock.url, gateway.url].map((url) => answersOf(url, origins.length > 0)),
    );
    assert.deepEqual(rows[1], rows[0]);
  });
}

/** What pages and others are answered, of what CORS is about. */
async function answersOf(url: string, allowed: boolean): Promise<unknown[]> {
  const path = `${url}/socket.io/?EIO=4&transport=polling`;
  const origin = allowed ? { origin: ORIGIN } : {};
  const want = { ...origin, "access-control-request-method": "POST" };
  const answers = [
    await ask(path, { method: "OPTIONS", headers: want }),
    await ask(path, {
      method: "OPTIONS",
      headers: { ...want, "access-control-request-headers": "content-type,x-a" },
    }),
    await ask(path, { headers: origin }),
    await ask(`${path}&transport=none`, { headers: origin }),
  ];
  return answers.map(({ status, headers }) => {
    const names = Object.keys(headers).filter((name) => /^access-control-(?!max)/.test(name));
    const given = names.sort().map((name) => [name, headers[name]]);
    // Where no origin is listed, answers still depend on it here: pages of other hosts get 403.
    return [status, given, allowed ? headers.vary : undefined];
  });
}
