/** The views of operators in a real Chromium: who is connected, what is done, what fails. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import type { PartialSettings } from "../../src/core/settings.ts";
import { checkAccess, openPage, startBrowser } from "../harness/browser.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

const KEY = "operator-0123456789abcdef";
/** A name that would run, were it ever taken for markup. */
const HOSTILE = `<img src=x onerror=alert(1)>"'&\`</script><script>alert(2)</script>`;

async function start(t: TestContext, settings: PartialSettings = {}) {
  return testGateway(t, { api: { keys: [`ops:${KEY}`] }, console: { watch: "on" }, ...settings });
}

/** Opens a view with the key; its errors must be none when the test ends. */
async function openView(t: TestContext, gateway: TestGateway, view: string): Promise<Page> {
  const browser = await startBrowser(t);
  assert.ok(browser);
  const { page, errors } = await openPage(browser, `${gateway.consoleUrl}#${view}`);
  await page.getByLabel("Key").fill(KEY);
  await page.getByRole("button", { name: "Open" }).click();
  t.after(() => assert.deepEqual(errors, []));
  return page;
}

test("Who finds sockets, shows one of them, and does what is confirmed, once", async (t) => {
  if (!hasTool(t, "chromium")) return;
  const gateway = await start(t);
  const members = [await gateway.joined(), await gateway.joined({ codec: "json" })] as const;
  for (const [at, { socket }] of members.entries()) {
    await socket.join(HOSTILE);
    socket.data = { user: at === 0 ? HOSTILE : "bob", token: "hidden" };
  }
  const [{ client, socket }] = members;
  const heard: unknown[][] = [];
  client.on("news", (...args: unknown[]) => heard.push(args));
  const page = await openView(t, gateway, "who");
  await page.getByRole("region", { name: "List of sockets" }).getByText("bob").waitFor();
  await checkAccess(page);
  await page.getByLabel("Id, user or address has").fill("onerror");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByText("bob").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: socket.id }).click();
  const chosen = page.getByRole("region", { name: "Chosen" });
  await chosen.getByText("websocket, msgpack").waitFor();
  assert.doesNotMatch((await chosen.textContent()) ?? "", /hidden/);
  await checkAccess(page);

  await chosen.getByLabel("Event").fill("news");
  await chosen.getByLabel("Arguments").fill('"one"\n{"two": 2}');
  await chosen.getByRole("button", { name: "Emit" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await chosen.getByRole("button", { name: "Emit" }).click();
  await page.getByRole("dialog").getByText(`Emit to socket ${socket.id}?`).waitFor();
  await checkAccess(page);
  await page.getByRole("button", { name: "Yes" }).click();
  await chosen.getByText("Done.").waitFor();
  await until(() => heard.length > 0, "the event");
  assert.deepEqual(heard, [["one", { two: 2 }]], "once, and not when it was cancelled");

  await chosen.getByLabel("Room", { exact: true }).fill("vip");
  await chosen.getByRole("button", { name: "Join" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await until(() => socket.rooms.has("vip"), "it joined");
  await page.getByRole("region", { name: "List of rooms" }).getByText("onerror").click();
  await page.getByRole("region", { name: "Chosen" }).getByText("Room").first().waitFor();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await until(() => gateway.io.of("/").sockets.size === 0, "all of the room are gone");
});

test("the rooms of another namespace are shown from their first page", async (t) => {
  // Seen: "There are no rooms." The place in the list was kept when the namespace was changed.
  if (!hasTool(t, "chromium")) return;
  const gateway = await start(t);
  const { socket } = await gateway.joined();
  for (let at = 0; at < 60; at++) await socket.join(`room ${at}`);
  await (await gateway.joined({ namespace: "/other" })).socket.join("a room");
  const page = await openView(t, gateway, "who");
  const rooms = page.getByRole("region", { name: "Rooms" });
  await rooms.getByRole("button", { name: "Next page" }).click();
  await rooms.getByRole("button", { name: "First page" }).waitFor();
  await page.getByRole("combobox", { name: "Namespace" }).selectOption("/other");
  await page.getByRole("button", { name: "Find" }).click();
  await rooms.getByRole("button", { name: "a room" }).waitFor();
});

test("Watch shows events in and out, as text", async (t) => {
  if (!hasTool(t, "chromium")) return;
  const gateway = await start(t);
  const { client, socket } = await gateway.joined();
  const page = await openView(t, gateway, "watch");
  await page.getByRole("combobox", { name: "Of" }).selectOption("socket id");
  await page.getByLabel("Name", { exact: true }).fill(socket.id);
  await page.getByRole("button", { name: "Watch" }).click();
  await page.getByText("1 sockets watched").waitFor();
  client.emit("look\u2028there", "of all line ends only LF is one in a stream");
  client.emit("look", HOSTILE);
  socket.emit("seen", 12);
  const log = page.getByRole("log");
  await log.getByText("onerror=alert(1)").waitFor();
  await log.getByText("seen").waitFor();
  await checkAccess(page);
  await page.getByRole("button", { name: "Stop" }).click();
  await until(() => socket.listenersAny().length === 0, "nobody listens any more");
  await page.getByLabel("Name", { exact: true }).fill("none");
  await page.getByRole("button", { name: "Watch" }).click();
  await page.getByRole("alert").getByText("CONSOLE_NO_SOCKET").waitFor();
});

test("Functions shows how calls fail, and dead letters are read and replayed", async (t) => {
  if (!hasTool(t, "chromium")) return;
  const fn = await startFunction(t);
  const gateway = await start(t, {
    upstream: { url: fn.url, secrets: [SECRET], attemptsMax: 1 },
  });
  const client = await gateway.connected();
  fn.answer = () => ({ status: 500, body: { why: "broken" } });
  client.emit("order", { text: HOSTILE });
  await until(async () => (await gateway.metric("sluice_upstream_dead_letters")) >= 1, "a letter");
  const page = await openView(t, gateway, "functions");
  await page.getByRole("region", { name: "List of functions" }).getByText("UPSTREAM_").waitFor();
  const letters = page.getByRole("region", { name: "Dead letters" });
  await letters.getByText("UPSTREAM_FAILED").first().waitFor();
  await letters.locator("summary", { hasText: "event" }).click();
  await letters.getByText("onerror=alert(1)").waitFor();
  await checkAccess(page);
  fn.answer = () => ({});
  await letters.locator("details[open]").getByRole("button", { name: "Replay" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await letters.getByText("1 of 1 were answered.").waitFor();
  await letters.getByText("onerror=alert(1)").waitFor({ state: "hidden" });
  await letters.getByLabel("Reason").fill("UPSTREAM_TIMEOUT");
  await letters.getByRole("button", { name: "Filter" }).click();
  await letters.getByText("There are none.").waitFor();
  // Seen: without Filter before it, this replayed all letters, whatever the fields said.
  fn.answer = () => ({ status: 500 });
  client.emit("order", {});
  await until(async () => (await gateway.metric("sluice_upstream_dead_letters")) >= 1, "a letter");
  const before = fn.received.length;
  await letters.getByLabel("Reason").fill("UPSTREAM_REJECTED");
  await letters.getByRole("button", { name: "Replay all that match" }).click();
  await page.getByText("Make all calls with reason UPSTREAM_REJECTED again?").waitFor();
  await page.getByRole("button", { name: "Yes" }).click();
  await letters.getByText("0 of 0 were answered.").waitFor();
  assert.equal(fn.received.length, before);
});

test("Cluster shows both nodes, and a key without a right is told so", async (t) => {
  if (!hasTool(t, "chromium") || !hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url };
  const keys = [`ops:${KEY}:console`];
  const [here, there] = await Promise.all([
    start(t, { cluster, api: { keys } }),
    start(t, { cluster, api: { keys } }),
  ]);
  const { socket } = await there.joined();
  await socket.join(HOSTILE);
  const page = await openView(t, here, "cluster");
  const nodes = page.getByRole("region", { name: "List of nodes" });
  await nodes.getByText("(answers here)").waitFor();
  await until(async () => (await nodes.locator("tbody tr").count()) === 2, "both");
  await nodes.getByText("1 sockets, 1 rooms").waitFor();
  await page.getByRole("region", { name: "Between nodes" }).getByText("yes").waitFor();
  await checkAccess(page);
  await page.getByRole("link", { name: "Who" }).click();
  await page.getByRole("button", { name: socket.id }).click();
  const chosen = page.getByRole("region", { name: "Chosen" });
  await chosen.getByText("websocket, msgpack").waitFor();
  await chosen.getByRole("button", { name: "Disconnect" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await page.getByRole("status").getByText("API_FORBIDDEN").waitFor();
  assert.equal(socket.connected, true);
});
