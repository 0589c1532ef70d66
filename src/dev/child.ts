import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { messageOf } from "../core/failures.ts";

/** How often it is looked whether a port answers. */
const LOOK_MS = 50;
/** Least time between the end of a function and its next start. */
const RESTART_MS = 1000;
/** How long a function may take to end before it is killed. */
export const CHILD_END_MS = 3000;
/** How long a connection to a port may take. */
const CONNECT_MS = 1000;

/** A function's own process. */
export interface Child {
  /** Resolves when its port accepts connections; at once once it does. */
  ready(): Promise<void>;
  /** Resolves with a sentence when it ended before its port accepted any. */
  readonly failed: Promise<string>;
  /** Ends it, and all that it has started. */
  stop(): Promise<void>;
  /** Kills it at once. */
  kill(): void;
}

/** How a function is started. */
export interface ChildOptions {
  /** A program and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it is to listen. */
  readonly url: URL;
  /** After which time without a port that answers it is told what is waited for. */
  readonly slowMs: number;
  print(line: string): void;
}

/**
 * Starts a function. Its output is that of this process.
 *
 * It is started anew when it ends after its port had accepted connections. It has a process group
 * of its own: a terminal's Ctrl-C does not reach it, so it still hears of the sockets that a stop
 * disconnects.
 */
export function startChild({ command, env, url, slowMs, print }: ChildOptions): Child {
  const [program = "", ...args] = command;
  let stopping = false;
  let child: ChildProcess;
  let ready: Promise<boolean>;
  let timer: NodeJS.Timeout | undefined;
  let fail: (why: string) => void = () => {};
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });

  function start(): void {
    const own = spawn(program, args, {
      env: { ...env },
      detached: true,
      stdio: ["ignore", "inherit", "inherit"],
    });
    child = own;
    let why: string | undefined;
    let hasListened = false;
    const over = (text: string): void => {
      why ??= text;
      if (hasListened) again(why);
    };
    own.once("error", (error) => over(`${program} cannot be started: ${messageOf(error)}`));
    own.once("exit", (code, signal) => over(`${command.join(" ")} ended with ${signal ?? code}`));
    ready = waitForPort(url, () => why !== undefined || stopping);
    const port = `port ${portOf(url)}, which it is told as PORT`;
    const slow = setTimeout(() => print(`nothing listens on ${port}: calls wait`), slowMs);
    void ready.then((isHere) => {
      clearTimeout(slow);
      if (stopping) return;
      if (!isHere) return fail(`${why}, before port ${portOf(url)} answered`);
      print(`${command.join(" ")} listens on port ${portOf(url)}`);
      hasListened = true;
      if (why !== undefined) again(why);
    });
  }

  function again(why: string): void {
    if (stopping) return;
    print(`${why}; it is started again in ${RESTART_MS} ms`);
    ready = new Promise((resolve) => {
      timer = setTimeout(() => {
        start();
        resolve(ready);
      }, RESTART_MS);
    });
  }

  start();
  return {
    async ready() {
      await ready;
    },
    failed,
    kill: () => signalAll(child, "SIGKILL"),
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const ended = hasEnded(child) ? undefined : new Promise((go) => child.once("exit", go));
      signalAll(child, "SIGTERM");
      const late = setTimeout(() => signalAll(child, "SIGKILL"), CHILD_END_MS);
      await ended;
      clearTimeout(late);
      signalAll(child, "SIGKILL"); // what it started and left behind
    },
  };
}

/** Sends a signal to a function and all that it has started. */
function signalAll({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // All of them have ended.
  }
}

function hasEnded({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}

/** Resolves with true when a port accepts connections, or with false when there is no use. */
async function waitForPort(url: URL, isOver: () => boolean): Promise<boolean> {
  while (!isOver()) {
    if (await accepts(url)) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

/** Resolves with whether something accepts connections at a URL. */
export function accepts(url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port: portOf(url) });
    const end = (isHere: boolean): void => {
      socket.destroy();
      resolve(isHere);
    };
    socket.setTimeout(CONNECT_MS, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** Returns the port of a URL. */
export function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}
