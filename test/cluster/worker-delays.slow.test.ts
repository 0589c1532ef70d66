/** Commands with `afterMs`, given to real workers, one of which is killed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, CommandResult } from "../../src/core/command.ts";
import { SECRET } from "../harness/api.ts";
import { isAlive } from "../harness/process.ts";
import { until } from "../harness/wait.ts";
import { startObedient } from "../harness/workers.ts";

test("kill -9 of a worker loses no command, and any worker cancels what another was given", async (t) => {
  const { url, connectToBoth } = await startObedient(t, { SLUICE_API_KEYS: `tests:${SECRET}` });
  const { here, there } = await connectToBoth(1);
  const heard: number[] = [];
  there[0]?.client.on("n", (n: number) => heard.push(n));
  // A connection of its own each: to whichever worker takes it.
  const send = async (command: Command): Promise<CommandResult> => {
    const headers = {
      ...{ authorization: `Bearer ${SECRET}`, "content-type": "application/json" },
      connection: "close",
    };
    const body = JSON.stringify(command);
    const answer = await fetch(`${url}/v1/commands`, { method: "POST", headers, body });
    return (await answer.json()) as CommandResult;
  };
  const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);
  const emit = (n: number, afterMs: number, key?: string): Command => ({
    ...{ do: "emit", event: "n", args: [n], afterMs },
    ...(key !== undefined && { key }),
  });
  for (const n of upTo(20)) assert.deepEqual(await send(emit(n, 2000)), { ok: true });
  for (const n of upTo(10)) await send(emit(100 + n, 60_000, `${n}`));
  const victim = here[0]?.pid as number;
  process.kill(victim, "SIGKILL");
  // Until it has gone, it may take a connection, which its end resets.
  await until(() => !isAlive(victim), "the end of the worker");
  for (const n of upTo(10)) {
    assert.deepEqual(await send({ do: "cancel", key: `${n}` }), { ok: true, cancelled: true });
  }
  await until(() => heard.length >= 20, "all of them", 20_000);
  assert.deepEqual(
    heard.toSorted((a, b) => a - b),
    upTo(20),
  );
});
