import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { createLagProbe } from "./lag.ts";

/** What disturbed a run, as shares of all CPU time. */
export interface Noise {
  /** CPU time the hypervisor gave to someone else. */
  readonly steal_share: number;
  /** CPU time that processes other than the benchmark's used. */
  readonly foreign_share: number;
  /** Share of time in which some runnable task waited for a CPU; -1 where it is not told. */
  readonly psi_cpu_some: number;
  readonly loadavg: readonly number[];
  /** How late the idle orchestrator was woken, in microseconds. */
  readonly idle_probe_lag_us_p99: number;
  readonly idle_probe_lag_us_max: number;
  /** One row a second. */
  readonly seconds: readonly { steal_share: number; foreign_share: number; load1: number }[];
}

/** CPU time of the whole machine, in clock ticks. */
export interface CpuTicks {
  readonly busy: number;
  readonly steal: number;
  readonly total: number;
}

/** A look at the counters. */
export interface NoiseSample {
  readonly cpu: CpuTicks;
  /** Ticks of the benchmark's own processes. */
  readonly own: number;
}

/**
 * Reads the first line of `/proc/stat`: user nice system idle iowait irq softirq steal (proc(5)).
 */
export function readCpuTicks(stat: string): CpuTicks {
  const line = stat.slice(0, stat.indexOf("\n"));
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] =
    line.trim().split(/\s+/).slice(1).map(Number);
  const busy = user + nice + system + irq + softirq;
  return { busy, steal, total: busy + idle + iowait + steal };
}

/** Reads user and system ticks of a process and of its reaped children from `/proc/<pid>/stat`. */
export function readProcessTicks(stat: string): number {
  // The command may contain anything, so fields are counted from behind its closing parenthesis.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return [11, 12, 13, 14].reduce((sum, index) => sum + (fields[index] ?? 0), 0);
}

/** Returns the shares between two looks. */
export function compareSamples(before: NoiseSample, after: NoiseSample) {
  const total = Math.max(1, after.cpu.total - before.cpu.total);
  const busy = after.cpu.busy - before.cpu.busy;
  return {
    steal_share: (after.cpu.steal - before.cpu.steal) / total,
    foreign_share: Math.max(0, busy - Math.max(0, after.own - before.own)) / total,
  };
}

/** Watches the machine while a scenario runs. */
export interface NoiseWatch {
  stop(): Noise;
}

const EMPTY: NoiseSample = { cpu: { busy: 0, steal: 0, total: 0 }, own: 0 };

/**
 * Starts watching; `pids` tells the benchmark's children. Those that have ended may be among them.
 */
export function watchNoise(pids: () => Iterable<number>): NoiseWatch {
  const lag = createLagProbe(10);
  lag.start();
  const first = takeSample(pids);
  const psiBefore = readPsi();
  const startedMs = performance.now();
  const seconds: Noise["seconds"][number][] = [];
  let last = first;
  const timer = setInterval(() => {
    const now = takeSample(pids);
    seconds.push({ ...compareSamples(last, now), load1: loadavg()[0] ?? 0 });
    last = now;
  }, 1000);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      const { p99Us, maxUs } = lag.stop();
      const psi = readPsi();
      return {
        ...compareSamples(first, takeSample(pids)),
        psi_cpu_some: psi < 0 ? -1 : (psi - psiBefore) / 1000 / (performance.now() - startedMs),
        loadavg: loadavg(),
        idle_probe_lag_us_p99: p99Us,
        idle_probe_lag_us_max: maxUs,
        seconds,
      };
    },
  };
}

function takeSample(pids: () => Iterable<number>): NoiseSample {
  const stat = readText("/proc/stat");
  if (!stat) return EMPTY;
  // An ended child is in the sum of its parent, which is this process.
  const stats = [process.pid, ...pids()].map((pid) => readText(`/proc/${pid}/stat`));
  const own = stats.reduce((sum, text) => sum + (text ? readProcessTicks(text) : 0), 0);
  return { cpu: readCpuTicks(stat), own };
}

/**
 * Microseconds in which some task waited for a CPU since boot; -1 where the kernel does not tell.
 */
function readPsi(): number {
  const match = /some .*total=(\d+)/.exec(readText("/proc/pressure/cpu"));
  return match ? Number(match[1]) : -1;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // Not Linux, or the process has ended.
  }
}
