import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET, startApi } from "../harness/api.ts";

const OTHER = "another-secret-0123456789";
const letters = ["a", "b", "c"].map((id) => ({ id, route: id === "b" ? "chat" : "default" }));
const replayed: unknown[] = [];
const api = await startApi(
  { keys: [`all:${SECRET}`, `few:${OTHER}:*:/news`] },
  {
    deadLetters: {
      routes: () => [{ name: "chat", url: "https://fn.example/", state: "gone" }],
      revive: (names) => names.filter((name) => name === "chat").length,
      async list({ limit, after, route, reason = "UPSTREAM_FAILED" }) {
        const items = letters
          .filter(({ id }) => after === undefined || id > after)
          .filter((one) => route === undefined || one.route === route)
          .filter(() => reason === "UPSTREAM_FAILED");
        const page = items.slice(0, limit);
        return { items: page, ...(items.length > limit && { next: page.at(-1)?.id }) };
      },
      async replay(wanted) {
        replayed.push(wanted);
        return { replayed: wanted.ids?.length ?? letters.length, delivered: 1 };
      },
    },
  },
);

test("dead letters are listed page by page", async () => {
  const first = await (await api.get("/v1/deadletters?limit=2")).json();
  assert.deepEqual(first, { deadLetters: letters.slice(0, 2), next: "b" });
  const second = await (await api.get("/v1/deadletters?after=b")).json();
  assert.deepEqual(second, { deadLetters: letters.slice(2) });
  assert.equal((await api.get("/v1/deadletters?limit=1000")).status, 200);
  for (const limit of ["0", "1001", "x", ""]) {
    const answer = await api.get(`/v1/deadletters?limit=${limit}`);
    assert.deepEqual([answer.status, (await answer.json()).code], [400, "API_BAD_QUERY"], limit);
  }
});

test("they are listed by route and by reason", async () => {
  const idsOf = async (query: string) => {
    const { deadLetters } = await (await api.get(`/v1/deadletters?${query}`)).json();
    return deadLetters.map(({ id }: { id: string }) => id);
  };
  assert.deepEqual(await idsOf("route=chat"), ["b"]);
  assert.deepEqual(await idsOf("route=default&reason=UPSTREAM_FAILED"), ["a", "c"]);
  assert.deepEqual(await idsOf("reason=UPSTREAM_GONE"), []);
});

test("some or all of them are tried again; a body that means neither is refused", async () => {
  assert.deepEqual(await (await api.post("/v1/deadletters", { ids: ["a", "c"] })).json(), {
    replayed: 2,
    delivered: 1,
  });
  assert.deepEqual(await (await api.post("/v1/deadletters", {})).json(), {
    replayed: 3,
    delivered: 1,
  });
  const none = await (await api.post("/v1/deadletters", { ids: [] })).json();
  assert.equal(none.replayed, 0);
  const some = { route: "chat", reason: "UPSTREAM_GONE" };
  await api.post("/v1/deadletters", some);
  assert.deepEqual(replayed, [{ ids: ["a", "c"] }, {}, { ids: [] }, some]);
  for (const body of [{ ids: null }, { route: 1 }, { ids: "a" }, { id: ["a"] }, [], "{"]) {
    const answer = await api.post("/v1/deadletters", body);
    assert.deepEqual([answer.status, (await answer.json()).code], [400, "API_BAD_BODY"]);
  }
  assert.equal(replayed.length, 4);
});

test("routes are listed, and called again on demand", async () => {
  assert.deepEqual(await (await api.get("/v1/routes")).json(), {
    routes: [{ name: "chat", url: "https://fn.example/", state: "gone" }],
  });
  const revived = await api.post("/v1/routes/revive", { names: ["chat", "none"] });
  assert.deepEqual(await revived.json(), { revived: 1 });
  for (const body of [{}, { names: "chat" }, { names: [1] }, { names: ["a"], more: 1 }]) {
    const answer = await api.post("/v1/routes/revive", body);
    assert.deepEqual([answer.status, (await answer.json()).code], [400, "API_BAD_BODY"]);
  }
});

test("they hold what every namespace's clients sent, so a key for some does not open them", async () => {
  const few = { authorization: `Bearer ${OTHER}` };
  assert.equal((await api.get("/v1/deadletters", few)).status, 403);
  assert.equal((await api.post("/v1/deadletters", {}, few)).status, 403);
  assert.equal((await api.get("/v1/routes", few)).status, 403);
  assert.equal((await api.post("/v1/routes/revive", { names: ["chat"] }, few)).status, 403);
  assert.equal(replayed.length, 4);
});
