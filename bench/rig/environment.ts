import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { loadUws } from "../subjects/native.ts";
import { versionOf } from "../subjects/versions.ts";
import { ROOT } from "./build.ts";

/** The machine and the versions a result was measured with. */
export interface Environment {
  readonly cpu_model: string;
  readonly cores: number;
  readonly mem_bytes: number;
  readonly kernel: string;
  readonly glibc: string;
  readonly virt: string;
  readonly governor: string;
  readonly node: string;
  readonly v8: string;
  readonly uws: string;
  readonly socketio: string;
  readonly engineio: string;
  readonly msgpack_lib: string;
  readonly ulimit_nofile: number;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly cgroup_limits: Readonly<Record<string, string>>;
}

/** Which commit a result belongs to; dirty when what is measured was changed since. */
export interface Git {
  readonly commit: string;
  readonly dirty: boolean;
}

const SYSCTLS = ["net/core/somaxconn", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem"];
const CGROUP = ["cpu.max", "memory.max"];

/** Reads the machine; what it does not tell is `unknown`. */
export function readEnvironment(): Environment {
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined; // documented fields of Node's diagnostic report
  return {
    cpu_model: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    mem_bytes: totalmem(),
    kernel: release(),
    glibc: report?.header?.glibcVersionRuntime ?? "unknown",
    virt: / hypervisor /.test(readText("/proc/cpuinfo")) ? "virtual machine" : "none seen",
    governor: readText("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").trim() || "unknown",
    node: process.versions.node,
    v8: process.versions.v8,
    uws: readUws(),
    socketio: versionOf("socket.io"),
    engineio: versionOf("engine.io"),
    msgpack_lib: `socket.io-msgpack-parser ${versionOf("socket.io-msgpack-parser")}`,
    ulimit_nofile: Number(/open files\s+(\d+)/.exec(readText("/proc/self/limits"))?.[1] ?? 0),
    sysctls: readAll(SYSCTLS, "/proc/sys/"),
    cgroup_limits: readAll(CGROUP, "/sys/fs/cgroup/"),
  };
}

/** A short name for machines and versions that are alike: figures compare only within one. */
export function hashEnvironment(environment: Environment): string {
  return createHash("sha256").update(JSON.stringify(environment)).digest("hex").slice(0, 12);
}

/** Reads the commit of the working tree. */
export function readGit(): Git {
  try {
    const commit = git("rev-parse", "HEAD");
    const measured = ["src", "bench", "package-lock.json", ":!bench/results"];
    const changes = git("status", "--porcelain", "--untracked-files=no", "--", ...measured);
    return { commit, dirty: changes !== "" };
  } catch {
    return { commit: "unknown", dirty: true }; // Not a clone: an unpacked archive.
  }
}

/** Runs git in the repository and returns what it printed; throws when it fails. */
export function git(...args: string[]): string {
  const options = { cwd: ROOT, encoding: "utf8" as const };
  return execFileSync("git", args, options).trim();
}

function readUws(): string {
  try {
    return loadUws().version;
  } catch {
    return "does not load";
  }
}

function readAll(names: readonly string[], root: string): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      readText(root + name)
        .trim()
        .replaceAll("\t", " ") || "unknown",
    ]),
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
