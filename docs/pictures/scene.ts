/** What the pictures are taken of: gateways in processes of their own, and clients with work. */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { Socket } from "socket.io-client";
import type { PartialSettings } from "../../src/core/settings-shape.ts";
import { openPage, startBrowser } from "../../test/harness/browser.ts";
import { findFreePort } from "../../test/harness/free-port.ts";
import { type ClientOptions, newClient } from "../../test/harness/gateway.ts";
import {
  ROOT,
  SLUICE,
  startProcess,
  type TestProcess,
  testFolder,
} from "../../test/harness/process.ts";
import { next } from "../../test/harness/wait.ts";

/** Opens the API and the console of each gateway. */
export const KEY = "operator-0123456789abcdef";

const KIB = 1024;

/** A gateway in a process of its own. */
export interface Node {
  readonly url: string;
  readonly port: number;
  readonly run: TestProcess;
}

/** Starts the gateway as its users do, and resolves when it listens. */
export async function startNode(t: TestContext, settings: PartialSettings = {}): Promise<Node> {
  const file = join(testFolder(t), "sluice.json");
  const port = await findFreePort();
  const whole: PartialSettings = {
    ...settings,
    socket: { host: "127.0.0.1", port, drainMs: 0, ...settings.socket },
    console: { watch: "on", ...settings.console },
    api: { keys: [`ops:${KEY}`], ...settings.api },
    log: { format: "text" },
  };
  writeFileSync(file, JSON.stringify(whole));
  const env = { NO_COLOR: "1", NODE_TEST_CONTEXT: undefined };
  const run = startProcess(t, [...SLUICE, "--config", file], env);
  await run.said("listening on port");
  return { url: `http://127.0.0.1:${port}`, port, run };
}

/** Connects clients of both codecs and both transports, each as a user of its own. */
export async function connectUsers(t: TestContext, url: string, count: number): Promise<Socket[]> {
  const users: Socket[] = [];
  for (let at = 0; at < count; at++) users.push(await connectUser(t, url, at));
  return users;
}

const NAMES = ["ada", "bob", "carol", "dora", "emil", "frida", "george", "hanna"];

/** Connects one client, whose name, codec and transport follow from its number. */
export async function connectUser(t: TestContext, url: string, at: number): Promise<Socket> {
  const name = NAMES[at % NAMES.length] ?? "";
  const user = at < NAMES.length ? name : `${name}${Math.floor(at / NAMES.length) + 1}`;
  const options: ClientOptions = {
    codec: at % 3 === 2 ? "json" : "msgpack",
    transports: [at % 8 === 7 ? "polling" : "websocket"],
    auth: { user, token: `token-of-${user}` },
  };
  const client = newClient(url, options);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  return client;
}

/** Does something regularly until the pictures are taken. */
export function repeat(t: TestContext, everyMs: number, act: (round: number) => void): void {
  let round = 0;
  const timer = setInterval(() => act(round++), everyMs);
  t.after(() => clearInterval(timer));
}

/** Lets the load go on, so that charts have something to show. */
export function pass(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** How a picture's page is opened. */
export interface View {
  readonly colorScheme?: "light" | "dark";
  readonly height?: number;
}

/** Opens a view of a console with the key. */
export async function openConsole(
  t: TestContext,
  { url }: Pick<Node, "url">,
  view: string,
  how: View = {},
): Promise<Page> {
  const page = await openUrl(t, `${url}/console#${view}`, how);
  await page.getByLabel("Key").fill(KEY);
  await page.getByRole("button", { name: "Open" }).click();
  return page;
}

/** Opens a page; the pictures need a browser. */
export async function openUrl(t: TestContext, url: string, how: View = {}): Promise<Page> {
  const browser = await startBrowser(t);
  if (!browser) throw new Error("the pictures need Chromium");
  return (await openPage(browser, url, how)).page;
}

/** Writes a picture into `docs/`, and says how large it is. */
export async function take(
  t: TestContext,
  name: string,
  what: Page | Locator,
  clip?: { readonly height: number },
): Promise<void> {
  const path = join(ROOT, "docs", `${name}.png`);
  if (clip) {
    await (what as Page).screenshot({ path, clip: { x: 0, y: 0, width: 1280, ...clip } });
  } else await what.screenshot({ path });
  t.diagnostic(`${name}.png: ${Math.round(statSync(path).size / KIB)} KB`);
}
