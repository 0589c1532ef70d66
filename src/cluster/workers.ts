import cluster, { type Worker } from "node:cluster";
import { Socket } from "node:net";
import { formatClients, type Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { within } from "../core/within.ts";
import { createPrimaryLogs } from "./log/primary.ts";
import { joinPrimaryLogs, type WorkerBus, type WorkerBusNeeds } from "./worker-bus.ts";
import { createPrimaryDelays } from "./worker-delays.ts";
import { createPrimarySessions } from "./worker-sessions.ts";
import { countWorkers } from "./worker-settings.ts";

/** What the primary and its workers say to each other. */
type Word =
  | { readonly sluice: "listening" }
  | { readonly sluice: "stopping" }
  | { readonly sluice: "stop" }
  | { readonly sluice: "scrape"; readonly id: number }
  | { readonly sluice: "scraped"; readonly id: number; readonly scraped?: Scraped }
  | { readonly sluice: "count" }
  | { readonly sluice: "counted"; readonly counted: unknown };

/** Exposition text. */
export interface Scraped {
  readonly type: string;
  readonly body: string;
}

/** What the primary needs. */
export interface PrimaryNeeds {
  readonly log: Log;
  /** Adds up the metrics of all workers. */
  readonly metrics: {
    update(worker: number, counted: unknown): void;
    remove(worker: number): void;
    text(silent: ReadonlySet<number>): Promise<Scraped>;
    /** Returns the open connections of all workers, by their newest numbers. */
    connections(): number;
  };
  /** Ends the process. */
  exit(code: number): void;
  /** How long one worker may take to stop before it is killed: its loop may be blocked. */
  readonly stopMs: number;
}

/** The process that starts, replaces and stops the others. */
export interface Primary {
  /** Has every worker read its certificate again, as SIGHUP has a process without workers do. */
  reload(): void;
  /**
   * Stops the workers, one after the other, and resolves when the last is gone. `note` is what the
   * log is to say after the number of clients.
   */
  stop(note: string): Promise<void>;
}

/** What a worker has of its primary. */
export interface WorkerSide {
  /** Asks the primary for the metrics of all workers. */
  scrape(): Promise<Scraped>;
  /** Has the primary told what `read` returns, whenever it asks for this worker's own. */
  answer(read: () => Promise<unknown>): void;
  /** Connects this worker with the others, without Redis; once. */
  joinBus(needs: Omit<WorkerBusNeeds, "node">): WorkerBus;
  /** Tells the primary that this worker takes connections. */
  listening(): void;
  /** Whether the node stops, this worker now or in its turn. */
  isStopping(): boolean;
  /** Calls `stop` when the primary says so; when it is gone, Node.js ends this process at once. */
  onStop(stop: () => void): void;
}

/** What the primary knows of a worker. */
interface State {
  readonly at: number;
  listened: boolean;
  /** It was asked for its numbers and has not answered: it is not asked again before it does. */
  asked?: { readonly answered: Promise<void>; end(): void };
}

/** Whether this process is a worker of a primary. */
export function isWorker(): boolean {
  return cluster.isWorker;
}

/** How long a worker may take to tell its numbers; Prometheus waits ten seconds for all of them. */
const ANSWER_MS = 1_000;
/** How long a stop waits for the numbers of clients. */
const COUNT_MS = 300;
/** How long a worker must have lived for its next crash to be the first again. */
const STEADY_MS = 60_000;
const BACKOFF_MS_MAX = 30_000;
const SCRAPE_MS = 5_000;
/** The worker's sockets to the others, one a direction: after stdio and Node.js' own channel. */
const TO_PRIMARY_FD = 4;
const TO_WORKER_FD = 5;

/**
 * Starts the workers of this machine: processes that share the port, each with an event loop.
 *
 * A worker that crashes is replaced after a pause that doubles from 0.5 s to 30 s; one that ends
 * before any ever listened ends everything with its exit code, since the next would do the same.
 * Later, what keeps one from starting may pass, a Redis that is away: the others go on meanwhile.
 */
export function startPrimary(settings: Settings, needs: PrimaryNeeds): Primary {
  const { log } = needs;
  const started = new Map<Worker, State>();
  let listened = false;
  const timers = new Set<NodeJS.Timeout>();
  let crashes = 0;
  let stopping = false;
  const bus = settings.cluster.redisUrl === "" ? startBus(settings, log) : undefined;
  cluster.setupPrimary({
    serialization: "advanced",
    stdio: ["inherit", "inherit", "inherit", "ipc", ...(bus ? (["pipe", "pipe"] as const) : [])],
  });

  function fork(): void {
    const worker = cluster.fork();
    started.set(worker, { at: Date.now(), listened: false });
    bus?.join(worker);
  }

  cluster.on("message", (worker, word: Word) => {
    const state = started.get(worker);
    if (word?.sluice === "listening" && state) {
      state.listened = true;
      listened = true;
    }
    if (word?.sluice === "counted" && state) {
      needs.metrics.update(worker.id, word.counted);
      endAsking(state);
    }
    if (word?.sluice !== "scrape") return;
    const answer = { sluice: "scraped", id: word.id } as const;
    scrape(started, needs.metrics).then(
      (scraped) => send(worker, { ...answer, scraped }),
      () => send(worker, answer),
    );
  });
  cluster.on("exit", (worker, code, signal) => {
    const state = started.get(worker);
    started.delete(worker);
    if (!state) return;
    needs.metrics.remove(worker.id);
    endAsking(state);
    if (stopping) return;
    if (!listened) {
      needs.exit(code || 1);
      return;
    }
    crashes = Date.now() - state.at > STEADY_MS ? 1 : crashes + 1;
    const afterMs = Math.min(BACKOFF_MS_MAX, 250 * 2 ** crashes);
    const fields = { component: "cluster", pid: worker.process.pid, code, signal, afterMs };
    log("error", fields, "a worker is gone and will be replaced");
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (!stopping) fork();
    }, afterMs);
    timers.add(timer);
  });
  const count = countWorkers(settings);
  for (let at = 0; at < count; at++) fork();
  log("info", { component: "cluster", workers: count }, "started workers");

  return {
    reload() {
      // One that does not listen yet would end at the signal, and reads the files anyway.
      for (const [worker, { listened }] of started) if (listened) worker.process.kill("SIGHUP");
    },
    async stop(note) {
      stopping = true;
      for (const timer of timers) clearTimeout(timer);
      // Whichever is asked whether the node is ready: none, though the later still take who comes.
      for (const worker of started.keys()) send(worker, { sluice: "stopping" });
      await askAll(started, COUNT_MS);
      const fields = { workers: started.size, clients: needs.metrics.connections() };
      const { workers, clients } = fields;
      const text = `stopping ${workers} workers, ${formatClients(clients)}${note}`;
      log("info", { component: "cluster", ...fields }, text);
      for (const [worker, state] of [...started]) {
        if (worker.isDead()) continue;
        const gone = new Promise((resolve) => worker.once("exit", resolve));
        // One that does not listen yet serves nobody, and may not hear a word before it does.
        if (state.listened) send(worker, { sluice: "stop" });
        else worker.process.kill("SIGKILL");
        const timer = setTimeout(() => worker.process.kill("SIGKILL"), needs.stopMs);
        await gone;
        clearTimeout(timer);
      }
      bus?.stop();
    },
  };
}

/** Starts what connects the workers with each other, without Redis. */
function startBus({ cluster: { streamPacketsMax }, fanout, recovery }: Settings, log: Log) {
  const { windowMs, sessionsMax, bytesMax } = recovery;
  const sessions = createPrimarySessions({ windowMs, sessionsMax, bytesMax });
  const limits = { packetsMax: streamPacketsMax, bytesMax, windowMs };
  const delays = createPrimaryDelays(fanout);
  const logs = createPrimaryLogs(limits, { sessions, delays });
  return {
    join({ id, process: child }: Worker): void {
      // What is asked for as a pipe is a socket at both ends.
      const socketAt = (fd: number) => child.stdio[fd] as unknown as Socket;
      const [reads, writes] = [socketAt(TO_PRIMARY_FD), socketAt(TO_WORKER_FD)];
      logs.join(String(id), { reads, writes });
    },
    stop(): void {
      logs.stop();
      sessions.stop();
      const commands = delays.stop();
      const lost = { component: "cluster", commands };
      if (commands > 0) log("warn", lost, "commands that waited for their time are lost");
    },
  };
}

/** Returns the metrics of all workers, without waiting for those that are late. */
async function scrape(
  started: ReadonlyMap<Worker, State>,
  metrics: PrimaryNeeds["metrics"],
): Promise<Scraped> {
  return metrics.text(await askAll(started, ANSWER_MS));
}

/**
 * Asks every worker that listens for its numbers. Resolves with those that have not answered within
 * `withinMs`.
 */
async function askAll(
  started: ReadonlyMap<Worker, State>,
  withinMs: number,
): Promise<ReadonlySet<number>> {
  const asked = [...started].filter(([, { listened }]) => listened);
  for (const [worker, state] of asked) {
    if (state.asked) continue;
    let end = (): void => {};
    const answered = new Promise<void>((resolve) => {
      end = resolve;
    });
    state.asked = { answered, end };
    send(worker, { sluice: "count" });
  }
  const questions = asked.map(([worker, state]) => ({ worker, state, asked: state.asked }));
  const all = Promise.all(questions.map((each) => each.asked?.answered));
  await within<unknown>(all, withinMs, () => {});
  const silent = questions.filter(({ state, asked }) => state.asked === asked);
  return new Set(silent.map(({ worker }) => worker.id));
}

function endAsking(state: State): void {
  state.asked?.end();
  delete state.asked;
}

/** Connects a worker with its primary. */
export function joinPrimary(): WorkerSide {
  const asked = new Map<number, (scraped?: Scraped) => void>();
  let stop: () => void = () => {};
  let read: (() => Promise<unknown>) | undefined;
  let lastId = 0;
  let stopping = false;
  process.on("message", (word: Word) => {
    if (word?.sluice === "stopping") stopping = true;
    if (word?.sluice === "stop") stop();
    if (word?.sluice === "scraped") asked.get(word.id)?.(word.scraped);
    if (word?.sluice === "count") {
      // Who cannot answer is late.
      read?.().then(
        (counted) => tell({ sluice: "counted", counted }),
        () => {},
      );
    }
  });
  return {
    scrape() {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          asked.delete(id);
          reject(new Error("the primary did not answer"));
        }, SCRAPE_MS);
        asked.set(id, (scraped) => {
          clearTimeout(timer);
          asked.delete(id);
          if (scraped) resolve(scraped);
          else reject(new Error("the primary could not add up the metrics"));
        });
        tell({ sluice: "scrape", id });
      });
    },
    isStopping: () => stopping,
    joinBus(needs) {
      const node = String(cluster.worker?.id); // every worker has one
      const reads = new Socket({ fd: TO_WORKER_FD });
      const writes = new Socket({ fd: TO_PRIMARY_FD });
      return joinPrimaryLogs({ reads, writes }, { ...needs, node });
    },
    answer(call) {
      read = call;
    },
    listening: () => tell({ sluice: "listening" }),
    onStop(call) {
      stop = call;
    },
  };
}

function send(worker: Worker, word: Word): void {
  // With a callback nothing is thrown where it has just ended, and its exit tells of that.
  if (worker.isConnected()) worker.send(word, () => {});
}

/** Tells the primary; where that has gone, `disconnect` says so. */
function tell(word: Word): void {
  process.send?.(word, undefined, undefined, () => {});
}
