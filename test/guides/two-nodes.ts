import type { TestProcess } from "../harness/process.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { followGuide, type Guide } from "./guide.ts";

/** docs/guides/two-nodes.md */
export function twoNodes(): void {
  followGuide("two-nodes", [3000, 3001, 3002, 6379, 6380], async (t, guide) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = guide.start("redis");
    await redis.said("Ready to accept connections");
    const one = guide.start("one");
    await guide.shows(guide.start("two"), "two listening");
    await one.said("listening on port");
    const haproxy = guide.start("haproxy");
    const url = `http://127.0.0.1:${guide.port(3000)}/readyz`;
    const isUp = () =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(isUp, "HAProxy passes requests on");

    // The health checks of both must have passed, or both clients are on one node.
    const clients = [guide.start("ada"), guide.start("bob")];
    for (const client of clients) await client.said("is on node");
    const isOf = (port: number) =>
      clients.find((each) => each.output().includes(`node ${guide.port(port)}`));
    const [lost, kept] = [isOf(3001), isOf(3002)];
    if (!lost || !kept)
      throw new Error(`both clients are on one node: ${clients.map((each) => each.output())}`);

    await guide.run("hello");
    for (const client of clients) await guide.shows(client, "heard");
    if (one.child.pid) process.kill(-one.child.pid, "SIGQUIT");
    await guide.run("still");
    await guide.shows(lost, "killed");
    await kept.said("heard: still here?");
    if (kept.output().includes("disconnected")) throw new Error(kept.output());
    if (hasTool(t, "nginx")) await changeToNginx(guide, { haproxy, clients });
    await guide.shows(await guide.run("no redis"), "no redis told");
  });
}

/** Starts node one again, and nginx in the place of HAProxy. */
async function changeToNginx(
  guide: Guide,
  { haproxy, clients }: { readonly haproxy: TestProcess; readonly clients: readonly TestProcess[] },
): Promise<void> {
  await guide.start("one").said("listening on port");
  await guide.stop(haproxy);
  guide.start("nginx");
  const isBack = (client: TestProcess) => /back, with rooms and messages\n$/.test(client.output());
  await until(() => clients.every(isBack), "all come back", 30_000);
  await guide.run("again");
  for (const client of clients) await guide.shows(client, "through nginx");
}
