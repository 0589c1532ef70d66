import type { Connected, FleetOptions, Group } from "../generator/fleet.ts";
import type { SubjectOptions } from "../subjects/host.ts";
import type { Codec } from "../wire/packets.ts";
import { judgeConnects } from "./flags.ts";
import { protocolOf } from "./peers.ts";
import type { GeneratorHandle, SubjectHandle, Usage } from "./process.ts";
import type { Context, Delivery } from "./scenario.ts";

/** A subject with its own generator. */
export interface Bench {
  readonly subject: SubjectHandle;
  readonly generator: GeneratorHandle;
  readonly creditPort: number;
  /** The next sequence number: they run through all rounds of a process. */
  next: number;
}

/** How the clients of a bench connect, apart from where. */
export interface Joining extends Partial<Pick<FleetOptions, "concurrency" | "retryMs">> {
  readonly codec: Codec;
  readonly groups: readonly Group[];
}

const CONNECT_MS = 60_000;
/** Where connecting is not measured, a busy server may turn clients away for a moment. */
const RETRY_MS = 500;
const CONCURRENCY = 64;

/** So many members, in no room but their own unless the query names some. */
export function membersOf(count: number, query = ""): Group[] {
  return [{ role: "member", count, query }];
}

/** Starts a fresh subject and a fresh generator, side by side, and connects the clients. */
export async function openBench(
  context: Context,
  name: string,
  joining: Joining,
  more: Omit<SubjectOptions, "codec" | "build"> = {},
): Promise<Bench> {
  const [subject, generator] = await Promise.all([
    context.openSubject(name, { ...more, codec: joining.codec }),
    context.openGenerator(),
  ]);
  const bench = { subject, generator, creditPort: await subject.creditPort(), next: 0 };
  await connectClients(context, bench, joining);
  return bench;
}

/** Connects more clients to a bench's subject, and flags a result in which too many failed. */
export async function connectClients(
  context: Context,
  { subject, generator }: Pick<Bench, "subject" | "generator">,
  joining: Joining,
): Promise<Connected> {
  const connected = await generator.connect({ retryMs: RETRY_MS, ...targetOf(subject, joining) });
  for (const flag of judgeConnects(connected.joined, connected.failed, connected.reasons))
    context.flag({ ...flag, message: `${subject.name}: ${flag.message}` });
  return connected;
}

/** Where and how clients connect to a subject. */
export function targetOf(subject: SubjectHandle, joining: Joining): FleetOptions {
  return {
    ...{ host: "127.0.0.1", port: subject.port, path: "/socket.io/", namespace: "/", tls: false },
    protocol: protocolOf(subject.name),
    ...{ concurrency: CONCURRENCY, timeoutMs: CONNECT_MS },
    ...joining,
  };
}

/** Seconds of CPU, user and system, between two looks at a process. */
export function cpuBetween(
  before: Pick<Usage, "cpuUserS" | "cpuSysS">,
  after: Pick<Usage, "cpuUserS" | "cpuSysS">,
): number {
  return after.cpuUserS + after.cpuSysS - before.cpuUserS - before.cpuSysS;
}

/** The part of a round's counts that a results file keeps. */
export function deliveryOf(counts: Delivery): Delivery {
  const { expected, received, lost, duplicated, reordered } = counts;
  return { expected, received, lost, duplicated, reordered };
}
