import { type Flag, judgeClient, judgeSaturation } from "./flags.ts";
import type { Child } from "./process.ts";
import type { Context } from "./scenario.ts";

/** A server and its client, each a process from a script of a scenario's own. */
export interface Duo {
  readonly subject: string;
  readonly server: Child;
  readonly client: Child;
}

/** What both used while something ran. */
export interface DuoUse {
  readonly serverCpuS: number;
  /** Shares of a core. */
  readonly server: number;
  readonly client: number;
}

/** Starts both, side by side. */
export async function openDuo(
  context: Context,
  subject: string,
  scripts: { readonly server: string; readonly client: string },
): Promise<Duo> {
  const [server, client] = await Promise.all([
    context.openProcess(scripts.server),
    context.openProcess(scripts.client, "client"),
  ]);
  return { subject, server, client };
}

/** Runs something that tells how long it took; returns that with what both processes used. */
export async function runDuo<T extends { readonly elapsedMs: number }>(
  duo: Duo,
  run: () => Promise<T>,
): Promise<[T, DuoUse]> {
  const read = async () => ({ server: await cpuOf(duo.server), client: await cpuOf(duo.client) });
  const before = await read();
  const result = await run();
  const after = await read();
  const seconds = result.elapsedMs / 1000;
  const serverCpuS = after.server - before.server;
  const client = (after.client - before.client) / seconds;
  return [result, { serverCpuS, server: serverCpuS / seconds, client }];
}

/** Judges a round: saturated, or at a fixed rate that the client must not find hard. */
export function judgeUse({ server, client }: DuoUse, isSaturated: boolean): Flag[] {
  return isSaturated ? judgeSaturation({ server, client, waiting: 0 }) : judgeClient(client);
}

async function cpuOf(child: Child): Promise<number> {
  const { cpuS } = (await child.call("usage")) as { cpuS: number }; // every script of a duo has it
  return cpuS;
}
