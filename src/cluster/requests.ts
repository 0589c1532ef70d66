import type { Reached } from "./log/event-log.ts";
import type { Answer, Told } from "./messages.ts";

/** What requests need of the adapter that makes them. */
export interface RequestsNeeds {
  /** This node's name. */
  readonly node: string;
  /** Requests that may be open. */
  readonly requestsMax: number;
  /** Tells all nodes, this one included, and resolves with those it reached. */
  tell(told: Told): Promise<Reached>;
  /** A request was not answered by all in time. */
  timedOut(): void;
}

/** What one adapter asks of all nodes. Requests are numbered. */
export interface Requests {
  /**
   * Asks what `create` returns for a number, and collects the answers by node. Resolves when all
   * nodes have answered, this one included only if it `answersItself`. Rejects if too many requests
   * are open, nobody can be told, or after `timeoutMs`.
   */
  collect(
    create: (request: number) => Told,
    asked: {
      readonly answers: Map<string, Answer>;
      readonly answersItself: boolean;
      readonly timeoutMs: number;
    },
  ): Promise<void>;
  /** Passes each answer to `heard`, for `timeoutMs`, then calls `over`. Returns the number. */
  listen(
    heard: (from: string, answer: Answer) => void,
    timeoutMs: number,
    over: () => void,
  ): number;
  /** An answer has come. */
  answered(from: string, request: number, answer: Answer): void;
  /** A node is gone: nobody waits for it any more. */
  left(node: string): void;
  /** Rejects what is collected, and forgets the rest. */
  stop(): void;
}

interface Open {
  heard(from: string, answer: Answer): void;
  left?(node: string): void;
  stop(): void;
}

/** Returns what asks the nodes of one namespace. */
export function createRequests(needs: RequestsNeeds): Requests {
  const { node: self, requestsMax, tell, timedOut } = needs;
  const open = new Map<number, Open>();
  let last = 0;
  let collecting = 0;

  function collect(
    request: number,
    told: Promise<Reached>,
    { answers, answersItself, timeoutMs }: Parameters<Requests["collect"]>[1],
  ): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const collected = new Promise<void>((resolve, reject) => {
      const gone = new Set<string>();
      let missing = () => Number.POSITIVE_INFINITY;
      const look = () => missing() <= 0 && resolve();
      open.set(request, {
        heard(from, answer) {
          answers.set(from, answer);
          look();
        },
        left(node) {
          gone.add(node);
          look();
        },
        stop: () => reject(new Error("the namespace is closed")),
      });
      timer = setTimeout(() => {
        timedOut();
        const expected = answers.size + missing();
        const count = `only ${answers.size} responses received out of ${expected}`;
        reject(new Error(`timeout reached: ${count}`));
      }, timeoutMs);
      told.then((reached) => {
        if (typeof reached === "number") {
          missing = () => reached - (answersItself ? 0 : 1) - answers.size;
        } else {
          const asked = reached.filter((each) => answersItself || each !== self);
          // Who is gone and has not answered never will.
          missing = () => asked.filter((each) => !answers.has(each) && !gone.has(each)).length;
        }
        look();
      }, reject);
    });
    return collected.finally(() => clearTimeout(timer));
  }

  return {
    async collect(create, asked) {
      if (collecting >= requestsMax) {
        throw new Error("cluster.requestsMax requests are open already");
      }
      collecting++;
      const request = ++last;
      try {
        await collect(request, tell(create(request)), asked);
      } finally {
        open.delete(request);
        collecting--;
      }
    },
    listen(heard, timeoutMs, over) {
      const request = ++last;
      const end = () => {
        open.delete(request);
        over();
      };
      const timer = setTimeout(end, timeoutMs).unref();
      open.set(request, { heard, stop: () => clearTimeout(timer) });
      return request;
    },
    answered: (from, request, answer) => open.get(request)?.heard(from, answer),
    left(node) {
      for (const request of open.values()) request.left?.(node);
    },
    stop() {
      for (const request of open.values()) request.stop();
      open.clear();
    },
  };
}
