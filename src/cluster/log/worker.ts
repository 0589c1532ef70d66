import { eachStep } from "../../core/loop.ts";
import type { Settings } from "../../core/settings-shape.ts";
import {
  openPipe,
  type Pipe,
  type PipeSockets,
  type Pushed,
  type Read,
  type ToPrimary,
  type ToWorker,
} from "../worker-pipe.ts";
import {
  type BusSamples,
  type Carrier,
  type CarrierListener,
  type CarrierLog,
  type Draft,
  NOWHERE,
  type Page,
  type PushedEntry,
} from "./carrier.ts";
import type { EntryId, Reached } from "./event-log.ts";

/** The carrier of a worker's logs through its primary. */
export interface WorkerCarrier extends Carrier {
  /** Sends the primary a part that is of no log. */
  send(part: ToPrimary): void;
  /** Sends the primary a question with a number, and resolves with the answer. */
  ask(question: (asked: number) => ToPrimary): Promise<unknown>;
  /** Has `call` get the commands whose time has come. */
  onDue(call: (part: DuePart) => void): void;
}

type DuePart = Extract<ToWorker, readonly ["due" | "waiting", ...unknown[]]>;

/** What the carrier of a worker needs. */
export interface WorkerCarrierNeeds {
  /** The worker's name, which no other worker of this primary has or had. */
  readonly node: string;
  readonly settings: Pick<Settings["cluster"], "timeoutMs" | "pendingMax" | "messageBytesMax">;
  readonly samples: BusSamples;
}

/** What waits for the primary's answer. */
interface Waiting<Answer> {
  readonly at: number;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

interface Question extends Waiting<unknown> {
  readonly asked: number;
}

interface Appended extends Waiting<EntryId> {
  readonly draft: Draft;
}

interface WorkerLog extends CarrierLog {
  received(part: OfLog): void;
  /** Rejects what was appended before a time and is not confirmed. */
  fail(before: number): void;
  gone(): void;
}

type OfLog = Exclude<ToWorker, readonly ["answer" | "due" | "waiting", ...unknown[]]>;

const late = (): Error => new Error("the primary did not answer in time");
const gone = (): Error => new Error("the primary is gone");

/**
 * Returns the carrier of a worker's logs, over its pipe to the primary. The pipe keeps the order:
 * what is pushed up to an end comes before the answer that names it.
 */
export function createWorkerCarrier(
  sockets: PipeSockets,
  needs: WorkerCarrierNeeds,
): WorkerCarrier {
  const { timeoutMs } = needs.settings;
  const logs = new Map<number, WorkerLog>();
  const questions = new Map<number, Question>();
  let lastLog = 0;
  let lastAsked = 0;
  let closed = false;
  let due: (part: DuePart) => void = () => {};

  const pipe = openPipe<ToPrimary, ToWorker>(sockets, {
    received(parts) {
      for (const part of parts) {
        if (part[0] === "answer") settle(part[1], part[2]);
        else if (part[0] === "due" || part[0] === "waiting") due(part);
        else logs.get(part[1])?.received(part);
      }
    },
    closed() {
      // Its primary is gone, and so will be this process.
      closed = true;
      needs.samples.here = 0;
      endLooks();
      for (const log of logs.values()) log.gone();
      for (const { reject } of questions.values()) reject(gone());
      questions.clear();
    },
  });

  function settle(asked: number, value: unknown): void {
    questions.get(asked)?.resolve(value);
    questions.delete(asked);
  }

  function ask(question: (asked: number) => ToPrimary): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (closed) {
        reject(gone());
        return;
      }
      const asked = ++lastAsked;
      questions.set(asked, { asked, at: performance.now(), resolve, reject });
      pipe.send(question(asked));
    });
  }

  /** Gives up what has waited for too long. */
  function look(): void {
    const before = performance.now() - timeoutMs;
    for (const log of logs.values()) log.fail(before);
    for (const { asked, at, reject } of questions.values()) {
      if (at >= before) break;
      questions.delete(asked);
      reject(late());
    }
  }

  // After what has come meanwhile was read, or a pause of this process would look like one of the
  // primary's.
  const everyMs = Math.min(500, timeoutMs / 4);
  const endLooks = eachStep(() => setImmediate(look), everyMs, everyMs);

  return {
    node: needs.node,
    signs: false,
    isHere: () => !closed,
    send: pipe.send,
    ask,
    onDue(call) {
      due = call;
    },
    open(namespace, listener) {
      const number = ++lastLog;
      const log = openLog(number, listener, { ...needs, pipe, ask });
      logs.set(number, log);
      pipe.send(["open", number, namespace]);
      const close = () => {
        logs.delete(number);
        log.close();
      };
      return { ...log, close };
    },
    async stop() {
      endLooks();
      pipe.flush();
      pipe.end();
    },
  };
}

interface LogNeeds extends WorkerCarrierNeeds {
  readonly pipe: Pipe<ToPrimary>;
  ask: WorkerCarrier["ask"];
}

function openLog(number: number, listener: CarrierListener, needs: LogNeeds): WorkerLog {
  const { node: from, settings, samples, pipe, ask } = needs;
  /** Own entries, which come back in their order; what this node knows of them stays here. */
  let own: Appended[] = [];
  let first = 0;
  /** Up to here they were given up, and are only known when they come. */
  let failed = 0;

  function received(part: OfLog): void {
    switch (part[0]) {
      case "own":
        for (const id of part[2]) confirm(id);
        break;
      case "entry":
        listener.pushed(entryOf(part[2]));
        break;
      case "told":
        listener.told({ from: part[2], n: 0, at: NOWHERE, channel: part[3], body: part[4] });
        break;
      case "left":
        listener.left(part[2]);
        break;
      case "reset":
        listener.reset();
        break;
    }
  }

  function confirm(id: EntryId): void {
    const appended = own[first++];
    if (first === own.length) {
      own = [];
      first = failed = 0;
    }
    if (!appended) return;
    const { n, channels, body } = appended.draft;
    listener.pushed({ id, from, n, at: NOWHERE, channels, body });
    appended.resolve(id);
  }

  function fail(before: number, error: () => Error = late): void {
    for (failed = Math.max(failed, first); failed < own.length; failed++) {
      const { at, reject } = own[failed] as Appended; // failed < own.length
      if (at >= before) return;
      reject(error());
    }
  }

  function check({ body }: Draft): void {
    if (body.length <= settings.messageBytesMax) return;
    samples.refused.size++;
    throw new Error("the message is larger than cluster.messageBytesMax");
  }

  async function read(
    after: EntryId | null,
    channels: readonly string[] | "all",
    since = 0,
  ): Promise<Page> {
    const answer = await ask((asked) => ["read", number, asked, after, channels, since]);
    const [entries, end, more, lost] = answer as Read; // so it is answered
    return { entries: entries.map(entryOf), end: { id: end, mark: "", count: -1 }, more, lost };
  }

  return {
    received,
    fail,
    gone() {
      fail(Number.POSITIVE_INFINITY, gone);
      listener.changed(false);
    },
    append(draft) {
      return new Promise((resolve, reject) => {
        check(draft);
        if (own.length - first >= settings.pendingMax) {
          throw new Error("cluster.pendingMax messages are waiting already");
        }
        own.push({ draft, at: performance.now(), resolve, reject });
        pipe.send(["append", number, draft.n, draft.channels, draft.body]);
      });
    },
    async tell(draft) {
      check(draft);
      const [channel = ""] = draft.channels;
      return (await ask((asked) => ["tell", number, asked, channel, draft.body])) as Reached;
    },
    // What is asked later comes later: it stands for whoever asks.
    async subscribe(channels) {
      pipe.send(["subscribe", number, channels]);
    },
    unsubscribe: (channels) => pipe.send(["unsubscribe", number, channels]),
    read: ({ id }, channels, since) => read(id, channels, since),
    look: (id) => read(id, "all"),
    end: async () => (await read(null, [])).end,
    nodes: async () => Number(await ask((asked) => ["nodes", number, asked])),
    close: () => pipe.send(["close", number]),
  };
}

function entryOf([id, from, n, channels, body]: Pushed): PushedEntry {
  return { id, from, n, at: NOWHERE, channels, body };
}
