import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus, totalmem } from "node:os";
import { countWorkers } from "../cluster/worker-settings.ts";
import { messageOf } from "../core/failures.ts";
import { hasUpstream } from "../core/settings.ts";
import {
  describeProblem,
  type SettingProblem,
  type Settings,
  SettingsError,
} from "../core/settings-shape.ts";
import { nameSources, type SettingSources } from "../core/sources.ts";
import { loadNative, readLibc } from "../host/native.ts";
import { checkSettings } from "./check-settings.ts";

/** Descriptors that a process needs for files, timers, listen sockets and pools. */
const SPARE_DESCRIPTORS = 64;

/** How long a function's or collector's host may take to accept a TCP connection. */
const CONNECT_MS = 2000;

/** The result of one check: `bad` prevents the gateway from working, `warn` may cause trouble. */
interface Finding {
  readonly level: "ok" | "warn" | "bad";
  readonly text: string;
}

/** What the doctor needs. */
interface DoctorNeeds {
  readonly production: boolean;
  /** Where the settings come from, to name it in findings. Default: it is not named. */
  readonly sources?: SettingSources;
  print(line: string): void;
}

/**
 * Checks this machine and the settings, and prints a line for each check. Resolves with whether a
 * gateway can run here.
 */
export async function examine(
  settings: Settings,
  { production, sources, print }: DoctorNeeds,
): Promise<boolean> {
  const problems = await findProblems(settings, sources);
  const isSound = (section: string) => !problems.some(({ path }) => path.startsWith(section));
  const findings = [
    findNative(),
    findDescriptors(),
    findMachine(),
    ...findSettings(settings, production),
    ...problems.map((problem) => ({ level: "bad", text: describeProblem(problem) }) as const),
    ...(await Promise.all([
      ...(isSound("cluster.") ? findRedis(settings) : []),
      ...(isSound("upstream.") ? findFunctions(settings) : []),
      ...(isSound("trace.") ? findCollector(settings) : []),
    ])),
  ];
  for (const { level, text } of findings) print(`${level.padEnd(4)}  ${text}`);
  return findings.every(({ level }) => level !== "bad");
}

function findNative(): Finding {
  const machine = `Node.js ${process.versions.node}, ${readLibc()}`;
  try {
    const { version, binary, file } = loadNative();
    const text = `uWebSockets.js ${version} (${binary}, ${file}) on ${machine}`;
    return { level: binary === "current" ? "ok" : "warn", text };
  } catch (error) {
    return { level: "bad", text: messageOf(error) };
  }
}

function findDescriptors(): Finding {
  let limit = Number.NaN;
  try {
    const line = readFileSync("/proc/self/limits", "utf8").match(/^Max open files\s+(\S+)/m);
    limit = line?.[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line?.[1]);
  } catch {
    return { level: "ok", text: "file descriptors: this system does not tell the limit" };
  }
  const connections = Math.max(0, limit - SPARE_DESCRIPTORS);
  const level = connections < 10_000 ? "warn" : "ok";
  const raise = level === "warn" ? "; raise it with ulimit -n or LimitNOFILE" : "";
  return {
    level,
    text: `file descriptors: ${limit}, enough for ${connections} connections${raise}`,
  };
}

function findMachine(): Finding {
  const gigabytes = (totalmem() / 2 ** 30).toFixed(1);
  return { level: "ok", text: `${cpus().length} cores, ${gigabytes} GiB of memory` };
}

function findSettings(settings: Settings, production: boolean): Finding[] {
  const { handlers, auth, socket } = settings;
  const found: Finding[] = [];
  const answers = handlers.module !== "" || hasUpstream(settings);
  if (production && !answers) {
    const text = "nothing answers events, so NODE_ENV=production does not start: set";
    found.push({ level: "bad", text: `${text} handlers.module or upstream.url` });
  }
  if (production && auth.mode === "none") {
    const text =
      "auth.mode is none: everyone who can reach the port may connect and emit any event";
    found.push({ level: "warn", text });
  }
  if (socket.origins.includes("*")) {
    found.push({ level: "warn", text: "socket.origins allows every origin" });
  }
  return found;
}

/** Resolves with what is wrong with the settings, beyond their bounds. */
async function findProblems(
  settings: Settings,
  sources: SettingSources | undefined,
): Promise<readonly SettingProblem[]> {
  try {
    await checkSettings(settings, { folder: ".", hasWorkers: countWorkers(settings) > 0 });
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return (sources ? nameSources(error, sources) : error).problems;
  }
}

function findRedis({ cluster }: Settings): Promise<Finding>[] {
  const { redisUrl, startup } = cluster;
  if (redisUrl === "") return [];
  const probe = async (): Promise<Finding> => {
    try {
      const { probeRedis } = await import("../cluster/probe.ts");
      await probeRedis(cluster);
      return { level: "ok", text: "cluster.redisUrl: Redis answers" };
    } catch (error) {
      const why = messageOf(error);
      // With `wait` the gateway waits at start until Redis answers.
      return { level: startup === "wait" ? "warn" : "bad", text: `cluster.redisUrl: ${why}` };
    }
  };
  return [probe()];
}

function findFunctions({ upstream }: Settings): Promise<Finding>[] {
  const urls = [upstream.url, ...upstream.routes.map(({ url }) => url)].filter((url) => url !== "");
  const origins = new Set(urls.map((url) => new URL(url).origin));
  return [...origins].map(async (origin): Promise<Finding> => {
    const why = await reach(new URL(origin));
    // Only a warning: a gateway starts without its functions, and its breaker retries them.
    if (why !== undefined) return { level: "warn", text: `upstream: ${origin}: ${why}` };
    return { level: "ok", text: `upstream: ${origin} accepts connections` };
  });
}

function findCollector({ trace: { otlpUrl } }: Settings): Promise<Finding>[] {
  if (otlpUrl === "") return [];
  const probe = async (): Promise<Finding> => {
    const { origin } = new URL(otlpUrl);
    const why = await reach(new URL(origin));
    // Only a warning: nothing waits for a collector.
    if (why !== undefined) return { level: "warn", text: `trace.otlpUrl: ${origin}: ${why}` };
    return { level: "ok", text: `trace.otlpUrl: ${origin} accepts connections` };
  };
  return [probe()];
}

/** Resolves with why a host does not accept a connection, or with undefined when it does. */
function reach({ hostname, port, protocol }: URL): Promise<string | undefined> {
  return new Promise((resolve) => {
    const to = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: to });
    const end = (why?: string) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(CONNECT_MS, () => end(`no connection within ${CONNECT_MS} ms`));
    socket.once("connect", () => end());
    socket.once("error", (error) => end(error.message));
  });
}
