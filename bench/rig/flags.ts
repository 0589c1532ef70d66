import type { Noise } from "./noise.ts";
import type { Delivery, Round } from "./scenario.ts";

/** A reason to doubt a figure. An `error` voids the round or result that carries it. */
export interface Flag {
  readonly severity: "error" | "warning";
  readonly code: FlagCode;
  readonly message: string;
}

/** Every flag there is, with what it means to the reader. */
export const FLAGS = {
  lost: "messages were lost: cost per delivery means nothing when delivering is optional",
  duplicated: "messages came twice",
  reordered: "messages came out of order",
  stray: "messages reached connections that should have got none",
  negative_skew: "messages arrived before they were due: the clocks disagree",
  wrong_content: "a real Socket.IO client did not receive what was sent",
  closed: "connections ended during the round",
  connect_failed: "1 % or more of the connections failed",
  nothing_measured: "nothing was connected or nothing was sent",
  over_delivery: "more was received than was sent",
  client_limit: "the generator, not the server, was the limit",
  server_starved: "something other than the benchmark took the server's core",
  generator_late: "the generator was late by more than 5 ms at its 99th percentile",
  overrun: "the round took more than 1.5 times its planned time",
  overload: "the subject did not keep the offered rate",
  not_warm: "the cost still fell by more than a tenth while it was measured",
  many_voids: "more than a quarter of a subject's rounds were void",
  few_pairs: "fewer than 10 pairs: the interval is wide and no claim can rest on it",
  poor_fit: "the points are not on a line: the slope means little",
  noisy_steal: "the hypervisor took more than 5 % of the CPU away",
  noisy_neighbours: "other processes used more than 10 % of the CPU",
  noisy_probe: "an idle process was woken more than 20 ms late at its 99th percentile",
  not_pinned: "server and client share cores: taskset or a second core is missing",
  interrupted: "the run was interrupted; what was measured until then is kept",
  subject_failed: "a subject could not be measured",
} as const;

/** A flag's name. */
export type FlagCode = keyof typeof FLAGS;

/** Returns a flag with its sentence and the figures that raised it. */
export function makeFlag(severity: Flag["severity"], code: FlagCode, figures: string): Flag {
  return { severity, code, message: `${FLAGS[code]} (${figures})` };
}

/** Above this share of its core the client is taken for the limit. */
const CLIENT_SHARE_MAX = 0.85;
/** Below this share of its core the server was not saturated, so something else was the limit. */
const SERVER_SHARE_MIN = 0.95;
/** Above this share of the round the server waited for the client. */
const WAITING_MAX = 0.05;
const GENERATOR_LAG_US_MAX = 5_000;
const STEAL_MAX = 0.05;
const FOREIGN_MAX = 0.1;
const PROBE_LAG_US_MAX = 20_000;
const CONNECT_FAILURES_MAX = 0.01;
const OVERRUN_MAX = 1.5;
const VOIDS_MAX = 0.25;

/** Errors that the machine or the rig is to blame for: a few rounds of many may have them. */
const EXCUSED: ReadonlySet<FlagCode> = new Set([
  "client_limit",
  "server_starved",
  "generator_late",
]);

/** What only some scenarios can tell. */
interface DeliveryMore {
  readonly stray?: number;
  readonly closed?: number;
  readonly early?: number;
}

/** Judges whether everything arrived once and in order. */
export function judgeDelivery(delivery: Delivery & DeliveryMore): Flag[] {
  const flags: Flag[] = [];
  const of = ` of ${delivery.expected}`;
  const { expected, received, lost, duplicated, reordered, stray = 0, closed = 0 } = delivery;
  if (expected === 0) flags.push(makeFlag("error", "nothing_measured", "0 expected"));
  if (lost > 0) flags.push(makeFlag("error", "lost", lost + of));
  if (duplicated > 0) flags.push(makeFlag("error", "duplicated", duplicated + of));
  if (reordered > 0) flags.push(makeFlag("error", "reordered", reordered + of));
  if (received > expected) flags.push(makeFlag("error", "over_delivery", received + of));
  const { early = 0 } = delivery;
  if (early > 0) flags.push(makeFlag("error", "negative_skew", String(early)));
  if (stray > 0) flags.push(makeFlag("error", "stray", String(stray)));
  if (closed > 0) flags.push(makeFlag("error", "closed", String(closed)));
  return flags;
}

/** Shares of a core, and of the round's time, in a saturation round. */
export interface Shares {
  readonly server: number;
  readonly client: number;
  /** Time in which the server had nothing to do because the slowest reader was behind. */
  readonly waiting: number;
}

/** Judges a saturation round: the server must have been the only limit. */
export function judgeSaturation(shares: Shares): Flag[] {
  const { server, client, waiting } = shares;
  const cores = `server ${percent(server)}, client ${percent(client)} of a core`;
  const figures = `${cores}, server waiting ${percent(waiting)}`;
  if (client > CLIENT_SHARE_MAX || waiting > WAITING_MAX)
    return [makeFlag("error", "client_limit", figures)];
  return server < SERVER_SHARE_MIN ? [makeFlag("error", "server_starved", figures)] : [];
}

/** Judges whether a client had to work too hard where the server is not meant to be saturated. */
export function judgeClient(share: number, severity: Flag["severity"] = "error"): Flag[] {
  if (share <= CLIENT_SHARE_MAX) return [];
  return [makeFlag(severity, "client_limit", `client ${percent(share)} of a core`)];
}

/** Judges the generator's own punctuality, where latency is measured. */
export function judgeGeneratorLag(p99Us: number): Flag[] {
  if (p99Us <= GENERATOR_LAG_US_MAX) return [];
  return [makeFlag("error", "generator_late", `p99 ${(p99Us / 1000).toFixed(1)} ms`)];
}

/** Judges how a fleet connected. */
export function judgeConnects(joined: number, failed: number, reasons: readonly string[]): Flag[] {
  const total = joined + failed;
  if (joined === 0) return [makeFlag("error", "nothing_measured", reasons.join("; "))];
  if (failed / total < CONNECT_FAILURES_MAX) return [];
  return [makeFlag("error", "connect_failed", `${failed} of ${total}: ${reasons.join("; ")}`)];
}

/** Judges a round's duration against its plan, with a grace for the last messages. */
export function judgeDuration(elapsedMs: number, plannedMs: number, graceMs: number): Flag[] {
  if (elapsedMs <= plannedMs * OVERRUN_MAX + graceMs) return [];
  const figures = `${elapsedMs.toFixed(0)} ms instead of ${plannedMs.toFixed(0)}`;
  return [makeFlag("warning", "overrun", figures)];
}

/** Judges whether the machine was quiet enough to believe a figure. */
export function judgeNoise(noise: Noise): Flag[] {
  const flags: Flag[] = [];
  if (noise.steal_share > STEAL_MAX)
    flags.push(makeFlag("error", "noisy_steal", percent(noise.steal_share)));
  if (noise.foreign_share > FOREIGN_MAX)
    flags.push(makeFlag("error", "noisy_neighbours", percent(noise.foreign_share)));
  if (noise.idle_probe_lag_us_p99 > PROBE_LAG_US_MAX)
    flags.push(
      makeFlag("error", "noisy_probe", `${(noise.idle_probe_lag_us_p99 / 1000).toFixed(1)} ms`),
    );
  return flags;
}

/** Judges how many rounds of a subject in one case are void: a loud moment may cost a few. */
export function judgeVoids(rounds: readonly Pick<Round, "subject" | "params" | "flags">[]): Flag[] {
  const lanes = new Map<string, { name: string; rounds: number; voids: number }>();
  for (const { subject, params, flags = [] } of rounds) {
    const key = JSON.stringify([subject, params]);
    const lane = lanes.get(key) ?? { name: subject, rounds: 0, voids: 0 };
    lane.rounds++;
    if (!isValid(flags)) lane.voids++;
    lanes.set(key, lane);
  }
  const many = [...lanes.values()].filter((lane) => lane.voids > lane.rounds * VOIDS_MAX);
  if (many.length === 0) return [];
  const worst = many.slice(0, 4).map((lane) => `${lane.name} ${lane.voids} of ${lane.rounds}`);
  return [makeFlag("error", "many_voids", worst.join(", "))];
}

/**
 * Whether a round's errors void only itself. One message that was lost, doubled, reordered or wrong
 * voids the whole result.
 */
export function isExcused(flags: readonly Flag[]): boolean {
  return flags.every((flag) => flag.severity !== "error" || EXCUSED.has(flag.code));
}

/** Whether none of the flags is an error. */
export function isValid(flags: readonly Flag[]): boolean {
  return flags.every((flag) => flag.severity !== "error");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
