/** The console's page in a real Chromium, against a real gateway. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import type { Page } from "playwright-core";
import { checkAccess, openPage, startBrowser } from "../harness/browser.ts";
import { findFreePort } from "../harness/free-port.ts";
import { testGateway } from "../harness/gateway.ts";
import { testFolder } from "../harness/process.ts";

const KEY = "operator-0123456789abcdef";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** A name that would run, were it ever taken for markup. */
const HOSTILE = `<img src=x onerror=alert(1)>"'&\`{{1}}</script><script>alert(2)</script>`;

/** The room chat as JavaScript: not all that run the tests can load TypeScript while they run. */
function compileChat(t: TestContext): string {
  const folder = join(testFolder(t), "examples");
  const outfile = join(folder, "chat.js");
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  buildSync({ entryPoints: [join(ROOT, "examples/chat.ts")], outfile, format: "esm" });
  return outfile;
}

/** A gateway with the room chat, and a browser; undefined where there is none. */
async function start(t: TestContext, needs: { readonly developing?: boolean } = {}) {
  const browser = await startBrowser(t);
  if (!browser) return undefined;
  const gateway = await testGateway(
    t,
    {
      handlers: { module: compileChat(t) },
      api: { keys: needs.developing ? [] : [`ops:${KEY}`, "app:emits-0123456789abcdef:emit"] },
    },
    needs,
  );
  return { browser, gateway, console: gateway.consoleUrl ?? "" };
}

async function enter(page: Page, key: string): Promise<void> {
  await page.getByLabel("Key").fill(key);
  await page.getByRole("button", { name: "Open" }).click();
}

test("a wrong key, or one without the right, is refused with a sentence", async (t) => {
  const on = await start(t);
  if (!on) return;
  const { page, errors } = await openPage(on.browser, on.console);
  await checkAccess(page);
  await enter(page, "wrong-0123456789abcdef");
  await page.getByRole("alert").getByText("API_UNAUTHENTICATED").waitFor();
  await enter(page, "emits-0123456789abcdef");
  await page.getByRole("alert").getByText("console in every namespace").waitFor();
  await checkAccess(page);
  await enter(page, KEY);
  await page.getByRole("heading", { name: "Connections", exact: true }).waitFor();
  assert.doesNotMatch(page.url(), /operator/);
  await page.getByRole("button", { name: "Forget the key" }).click();
  await page.getByLabel("Key").waitFor();
  await page.reload();
  await page.getByLabel("Key").waitFor();
  assert.deepEqual(errors, []);
});

test("Now shows what a gateway under load does, in light and in dark", async (t) => {
  const on = await start(t);
  if (!on) return;
  const clients = await Promise.all(Array.from({ length: 12 }, () => on.gateway.connected()));
  for (const client of clients) await client.emitWithAck("join", "lobby");
  const timer = setInterval(() => void clients[0]?.emit("message", "lobby", "hello"), 20);
  t.after(() => clearInterval(timer));
  for (const colorScheme of ["light", "dark"] as const) {
    const { page, errors } = await openPage(on.browser, on.console, { colorScheme });
    await enter(page, KEY);
    const tile = page.locator(".tiles > div").filter({ hasText: "Connections" });
    await tile.getByText("12", { exact: true }).waitFor();
    await page.locator(".legend").getByText("room_except").waitFor();
    const counted = page.locator(".tiles > div").filter({ hasText: "Deliveries" });
    await counted.getByText(/^[1-9]\d\d$/).waitFor();
    assert.equal(await page.locator(".chart canvas").count(), 10);
    await checkAccess(page);
    assert.deepEqual(errors, []);
    await page.close();
  }
});

test("the stream ends when nobody looks, and begins again after the gateway was away", async (t) => {
  const on = await start(t);
  if (!on) return;
  const { page, errors } = await openPage(on.browser, on.console);
  await enter(page, KEY);
  await page.locator(".chart canvas").first().waitFor();
  await page.route("**/console/live", (route) => route.abort());
  await page.getByRole("link", { name: "Try it" }).click();
  await page.getByRole("link", { name: "Now" }).click();
  await page.getByRole("status").getByText("cannot be reached").waitFor();
  await page.unroute("**/console/live");
  await page.getByRole("status").waitFor({ state: "hidden" });
  assert.deepEqual(
    errors.filter((line) => !/ERR_FAILED/.test(line)),
    [],
  );
});

test("whoever develops opens the link and tries it: both codecs, an ack, what others say", async (t) => {
  const on = await start(t, { developing: true });
  if (!on) return;
  const { page, errors } = await openPage(on.browser, on.console);
  await page.getByText("Connect as a client").waitFor();
  assert.equal(new URL(page.url()).hash, "", "the key is gone from the address");
  await page.getByRole("button", { name: "Add a client" }).click();
  for (const [name, codec] of [
    ["Client 1", "msgpack"],
    ["Client 2", "json"],
  ] as const) {
    const client = page.getByRole("region", { name });
    await client.getByRole("button", { name: "Connect" }).click();
    await client.getByText(`over websocket, ${codec}`).waitFor();
    await client.getByRole("button", { name: "Emit" }).click();
    await client.getByText("join → true").waitFor();
  }
  const first = page.getByRole("region", { name: "Client 1" });
  await first.getByRole("button", { name: "Example: message" }).click();
  await first.getByLabel("Arguments").fill(`"lobby"\n${JSON.stringify(HOSTILE)}`);
  await first.getByRole("button", { name: "Emit" }).click();
  const log = page.getByRole("region", { name: "Client 2" }).getByRole("log");
  await log.getByText("onerror=alert(1)").waitFor();
  await first.getByLabel("Arguments").fill("{");
  await first.getByRole("button", { name: "Emit" }).click();
  await first.getByText("the arguments are not JSON").waitFor();
  await first.getByLabel("Transport").selectOption("both");
  await first.getByRole("button", { name: "Connect again" }).click();
  await first.getByText("upgraded to websocket").waitFor();
  await checkAccess(page);
  assert.deepEqual(errors, []);
});

test("the link of another start, opened in the same tab, brings its key", async (t) => {
  const on = await start(t, { developing: true });
  if (!on) return;
  const { page, errors } = await openPage(on.browser, `${on.console}-of-the-last-start`);
  await page.getByRole("alert").getByText("API_UNAUTHENTICATED").waitFor();
  await page.goto(on.console);
  await page.getByText("Connect as a client").waitFor();
  assert.doesNotMatch(page.url(), /key=/);
  assert.deepEqual(errors, []);
});

test("a page whose key is refused while it is open asks for another, and goes on with it", async (t) => {
  // Seen: after another start of the gateway, an open page said 401 every two seconds, in each view,
  // and kept its key. Only the first request of a page looked at the status.
  const browser = await startBrowser(t);
  if (!browser) return;
  const socket = { host: "127.0.0.1", port: await findFreePort() };
  const before = await testGateway(t, { socket }, { developing: true });
  const { page } = await openPage(browser, before.consoleUrl ?? "");
  await page.getByRole("link", { name: "Now" }).click();
  await page.locator(".chart canvas").first().waitFor();
  await before.stop();
  const after = await testGateway(t, { socket }, { developing: true });
  await page.getByRole("alert").getByText("does not accept this key any more").waitFor();
  await checkAccess(page);
  await page.reload();
  await page.getByLabel("Key").waitFor();
  await page.goto(after.consoleUrl ?? "");
  await page.getByText("Connect as a client").waitFor();
});

test("two pages of the room chat hear each other, whatever they call a room", async (t) => {
  const on = await start(t);
  if (!on) return;
  const pages: Page[] = [];
  for (let at = 0; at < 2; at++) {
    const { page, errors } = await openPage(on.browser, `${on.console}#chat`);
    await enter(page, KEY);
    await page.getByLabel("Room", { exact: true }).fill(HOSTILE);
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByText("you are in").waitFor();
    t.after(() => assert.deepEqual(errors, []));
    pages.push(page);
  }
  const [one, two] = pages as [Page, Page];
  await one.getByLabel("Message", { exact: true }).fill("good morning");
  await one.keyboard.press("Enter");
  await two.getByRole("log").getByText("good morning").waitFor();
  await checkAccess(two);
});

test("all is reached by keyboard: past the links, and through the views", async (t) => {
  const on = await start(t);
  if (!on) return;
  const { page } = await openPage(on.browser, on.console);
  await page.getByLabel("Key").focus();
  await page.keyboard.type(KEY);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Connections", exact: true }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate("document.activeElement.id"), "view");
  await page.getByRole("link", { name: "Try it" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("Connect as a client").waitFor();
});

test("where the API has a port of its own, the page connects to the clients' port", async (t) => {
  const browser = await startBrowser(t);
  if (!browser) return;
  const api = { port: await findFreePort(), host: "127.0.0.1" };
  const origins = [`http://127.0.0.1:${api.port}`];
  const gateway = await testGateway(t, { api, socket: { origins } }, { developing: true });
  const { page, errors } = await openPage(browser, gateway.consoleUrl ?? "");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("over websocket, msgpack").waitFor();
  await page.getByLabel("Transport").selectOption("polling");
  await page.getByRole("button", { name: "Connect again" }).click();
  await page.getByText("over polling, msgpack").waitFor();
  assert.deepEqual(errors, []);
});
