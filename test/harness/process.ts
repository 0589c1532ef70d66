import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { until } from "./wait.ts";

/** Whatever something is started for and ends with: a test, or a run of its own. */
export type Scope = Pick<TestContext, "after" | "diagnostic">;

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Starts `node` with TypeScript; arguments follow. */
export const NODE: readonly string[] = [process.execPath, "--import", "tsx"];

/** The process as the runner has bundled it (test/main.ts): it starts in a third of the time. */
const BUNDLED = process.env.TEST_PROCESS;

/** Starts the gateway; flags follow. */
export const SLUICE: readonly string[] = BUNDLED
  ? [process.execPath, BUNDLED]
  : [...NODE, "src/main.ts"];

/** Whether a process has not ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A process of one test, which ends with it at the latest. */
export interface TestProcess {
  readonly child: ChildProcess;
  /** Everything it printed so far. */
  output(): string;
  /** Its exit code, or the signal that ended it. */
  exit(): Promise<number | string>;
  /** Resolves when it has printed `text`; rejects when it ends before, or is late. */
  said(text: string, withinMs?: number): Promise<void>;
  /** The first parsed JSON line of its output that has `field`. */
  line(field: string): Promise<Record<string, unknown>>;
}

/** Characters of a process' output that a failed test shows. */
const TOLD_CHARS = 3000;

/** Whether a test failed; to be asked when it is over. Node.js 20.12 and later know. */
export function hasFailed(t: object): boolean {
  return (t as { readonly passed?: boolean }).passed === false;
}

/**
 * Starts a command in the project's folder, in a process group of its own. When the test fails, its
 * output is told, and whether it had ended before: a node that crashed looks like one that is slow.
 */
export function startProcess(
  t: Scope,
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): TestProcess {
  return startWith(t, command, { env, stdin: "ignore" });
}

/** A process in a terminal of its own. */
export interface TerminalProcess extends TestProcess {
  /** Types text; `\u0003` is Ctrl-C. */
  type(text: string): void;
}

/** As {@link startProcess}, in a pseudo-terminal, with the shell's Ctrl-C. */
export function startInTerminal(
  t: Scope,
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): TerminalProcess {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  // -q: says nothing of its own, -e: exits as the command does, -f: writes at once.
  const script = ["script", "-q", "-e", "-f", "-c", `exec ${words}`, "/dev/null"];
  // Before `script` itself: what it has started is in a session of its own.
  t.after(() => {
    for (const pid of childrenOf(run.child.pid)) process.kill(-pid, "SIGKILL");
  });
  const run = startWith(t, script, { env: { TERM: "xterm", ...env }, stdin: "pipe" });
  run.child.stdin?.on("error", () => {}); // it may end while something is typed
  return { ...run, type: (text) => void run.child.stdin?.write(text) };
}

/** Lists the processes that a process has started, while it runs. */
function childrenOf(pid: number | undefined): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").split(" ").filter(Boolean).map(Number);
}

function startWith(
  t: Scope,
  command: readonly string[],
  {
    env,
    stdin,
  }: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly stdin: "ignore" | "pipe";
  },
): TestProcess {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    cwd: ROOT,
    detached: true,
    stdio: [stdin, "pipe", "pipe"],
    // A machine that is busy with other tests must not turn this one's clients away.
    env: { ...process.env, NODE_ENV: "development", SLUICE_OVERLOAD_ENABLED: "false", ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    // Or what comes in parts would be cut in the middle of a character.
    stream?.setEncoding("utf8").on("data", (text) => (output += text));
  }
  const exited = new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal ?? "ended"));
  });
  t.after(async () => {
    // The whole group: npm starts a shell, which starts node.
    const running = child.exitCode === null && child.signalCode === null;
    if (hasFailed(t) && (running || child.exitCode !== 0)) t.diagnostic(tell());
    if (running && child.pid) process.kill(-child.pid, "SIGKILL");
    await exited;
  });
  const tell = (): string => {
    const ended = child.exitCode ?? child.signalCode;
    const state = ended === null ? "is running" : `has ended (${ended})`;
    return `${[basename(file), ...args].join(" ")} ${state}, and said:\n${output.slice(-TOLD_CHARS)}`;
  };
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const find = (field: string) => {
    for (const text of output.split("\n")) {
      if (!text.startsWith("{")) continue;
      try {
        const line: Record<string, unknown> = JSON.parse(text);
        if (field in line) return line;
      } catch {
        // Half a line; the rest is on its way.
      }
    }
    return undefined;
  };
  return {
    child,
    output: () => output,
    exit: () => exited,
    said(text, withinMs = 30_000) {
      const isThere = () => {
        if (output.includes(text)) return true;
        if (hasEnded()) throw new Error(`it ended before it said "${text}"`);
        return false;
      };
      return until(isThere, `"${text}"`, withinMs);
    },
    async line(field) {
      let line: Record<string, unknown> | undefined;
      await until(
        () => {
          line = find(field);
          if (hasEnded() && !line) throw new Error(tell());
          return line !== undefined;
        },
        `a line with ${field}`,
        30_000,
      );
      return line as Record<string, unknown>; // until() has just found it
    },
  };
}

/** Returns a folder of its own for a test, which goes with it. */
export function testFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
