import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { Settings } from "./core/settings.ts";
import { loadNative, readLibc } from "./socket/native.ts";

/** What {@link examine} needs. */
export interface DoctorNeeds {
  readonly production: boolean;
  print(line: string): void;
}

/** Descriptors a process needs besides its connections: files, timers, listen sockets, pools. */
const SPARE_DESCRIPTORS = 64;

/** One thing looked at: `bad` keeps the gateway from working, `warn` would bite later. */
interface Finding {
  readonly level: "ok" | "warn" | "bad";
  readonly text: string;
}

/** Says what this machine can carry and what would bite; returns whether a gateway can run here. */
export async function examine(settings: Settings, needs: DoctorNeeds): Promise<boolean> {
  const findings = [
    findNative(),
    findDescriptors(),
    findMachine(),
    ...findSettings(settings, needs.production),
  ];
  for (const { level, text } of findings) needs.print(`${level.padEnd(4)}  ${text}`);
  return findings.every(({ level }) => level !== "bad");
}

function findNative(): Finding {
  const machine = `Node.js ${process.versions.node}, ${readLibc()}`;
  try {
    const { version, binary, file } = loadNative();
    const text = `uWebSockets.js ${version} (${binary}, ${file}) on ${machine}`;
    return { level: binary === "current" ? "ok" : "warn", text };
  } catch (error) {
    return { level: "bad", text: error instanceof Error ? error.message : String(error) };
  }
}

function findDescriptors(): Finding {
  let limit = Number.NaN;
  try {
    const line = readFileSync("/proc/self/limits", "utf8").match(/^Max open files\s+(\S+)/m);
    limit = line?.[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line?.[1]);
  } catch {
    return { level: "ok", text: "file descriptors: this system does not say how many" };
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
  const found: Finding[] = [];
  if (production && !settings.handlers.module) {
    found.push({ level: "warn", text: "NODE_ENV is production and handlers.module is not set" });
  }
  if (settings.socket.origins.includes("*")) {
    found.push({ level: "warn", text: "socket.origins allows every origin" });
  }
  return found;
}
