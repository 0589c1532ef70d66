/** Draws the pictures of docs/console.md: a shop on two nodes, with a function that fails. */
import type { TestContext } from "node:test";
import type { Socket } from "socket.io-client";
import { SECRET, startFunction } from "../../test/harness/function.ts";
import { testRedis } from "../../test/harness/redis.ts";
import { connectUser, connectUsers, openConsole, pass, repeat, startNode, take } from "./scene.ts";

const USERS = 36;
const SECONDS = 75;

/** Draws Now, Who, Watch, Functions and Cluster. */
export async function drawShop(t: TestContext): Promise<void> {
  const redis = await testRedis(t);
  const orders = await startFunction(t, ({ json }) =>
    json.args[0].item === "kite" ? { status: 500, body: "no kites" } : { body: {} },
  );
  const settings = {
    handlers: { module: "docs/pictures/shop.ts" },
    cluster: { redisUrl: redis.url },
    upstream: {
      routes: [{ name: "orders", event: "order", url: `${orders.url}/orders` }],
      secrets: [SECRET],
      attemptsMax: 2,
    },
  };
  const [here, there] = await Promise.all([startNode(t, settings), startNode(t, settings)]);
  const users = await connectUsers(t, here.url, USERS);
  users.push(...(await connectUsers(t, there.url, USERS / 3)));
  for (const user of users) await user.emitWithAck("enter", "lobby");
  for (const user of users.slice(0, 8)) await user.emitWithAck("enter", "vip");
  work(t, users, here.url);

  await pass(SECONDS);
  await take(t, "console-now", await openNow(t, here), { height: 760 });

  const who = await openConsole(t, here, "who");
  await who.getByLabel("Id, user or address has").fill("carol");
  await who.getByRole("button", { name: "Find" }).click();
  const sockets = who.getByRole("region", { name: "List of sockets" });
  await sockets.getByText("dora").first().waitFor({ state: "hidden" });
  await sockets.getByRole("button").first().click();
  await who.getByRole("region", { name: "Chosen" }).getByText("carol").waitFor();
  await take(t, "console-who", who, { height: 860 });

  const watch = await openConsole(t, here, "watch", { colorScheme: "dark" });
  await watch.getByRole("combobox", { name: "Of" }).selectOption("room");
  await watch.getByLabel("Name", { exact: true }).fill("lobby");
  await watch.getByRole("button", { name: "Watch" }).click();
  await pass(4);
  await take(t, "console-watch", watch, { height: 600 });

  const functions = await openConsole(t, here, "functions");
  await functions.locator("summary", { hasText: "orders" }).first().click();
  await pass(7); // until there is a rate
  await take(t, "console-functions", functions, { height: 800 });

  const cluster = await openConsole(t, here, "cluster");
  await cluster.getByText("(answers here)").waitFor();
  await pass(4);
  await take(t, "console-cluster", cluster, { height: 420 });
}

/** Draws Try it, as a newcomer sees it who starts the room chat. */
export async function drawTry(t: TestContext): Promise<void> {
  const node = await startNode(t, { handlers: { module: "examples/chat.ts" } });
  const page = await openConsole(t, node, "try");
  await page.getByRole("button", { name: "Add a client" }).click();
  for (const name of ["Client 1", "Client 2"]) {
    const client = page.getByRole("region", { name });
    await client.getByRole("button", { name: "Connect" }).click();
    await client.getByText("connected as").waitFor();
    await client.getByLabel("Arguments").fill('"plaza"');
    await client.getByRole("button", { name: "Emit" }).click();
    await client.getByText("join → true").waitFor();
  }
  const first = page.getByRole("region", { name: "Client 1" });
  await first.getByRole("button", { name: "Example: message" }).click();
  await first.getByLabel("Arguments").fill('"plaza"\n"good morning"');
  await first.getByRole("button", { name: "Emit" }).click();
  await first.getByText("message → true").waitFor();
  await take(t, "console-try", page, { height: 740 });
}

async function openNow(t: TestContext, node: { readonly url: string }) {
  const page = await openConsole(t, node, "now");
  await page.locator(".chart canvas").first().waitFor();
  await pass(3);
  return page;
}

/** Has the users talk and order, more and less by turns, and some of them come and go. */
function work(t: TestContext, users: readonly Socket[], url: string): void {
  repeat(t, 50, (round) => {
    const busy = 1 + Math.sin(round / 120);
    if (Math.random() * 2 < busy) users[round % users.length]?.emit("say", "good morning");
  });
  repeat(t, 500, (round) => void users[0]?.emit("price", "book", 1200 + (round % 7)));
  repeat(t, 120, (round) => {
    const item = round % 11 === 0 ? "kite" : "book";
    users[round % users.length]?.emit("order", { item, count: 1 });
  });
  repeat(t, 3000, (round) => {
    const leave = (guest: Socket) => void setTimeout(() => guest.disconnect(), 2000);
    // The gateway may have stopped when the last of them comes.
    connectUser(t, url, round % 8).then(leave, () => {});
  });
}
