/** One live line of text, or plain lines where there is no terminal. */
export interface Progress {
  /** The next part of the run begins. */
  begin(): void;
  /** Tells what is being done now. */
  say(text: string): void;
  /** Prints a line that stays. */
  note(text: string): void;
  /** Takes the live line away, so that something can be printed. */
  clear(): void;
  /** Nothing more is told. */
  end(): void;
}

/** Without a terminal, one line in this time: logs of CI stay readable. */
const PLAIN_EVERY_MS = 5000;
const LIVE_EVERY_MS = 1000;

/** Where progress goes. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Tells at once that something has begun, before what tells more is even loaded. */
export function announce(stream: ProgressStream, text: string): void {
  stream.write(`${formatSeconds(0)}  ${text}${stream.isTTY ? "" : "\n"}`);
}

function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(0).padStart(4)} s`;
}

/** What progress stands on; tests have their own clock. */
export interface ProgressNeeds {
  readonly stream: ProgressStream;
  /** Milliseconds since the run began. */
  readonly now: () => number;
  /** Seconds after which the run ends in any case. */
  readonly mostS?: number;
}

/** The times of a run's parts, those before, under way and to come. */
export interface Times {
  /** Seconds that each part should take; undefined where nobody knows. */
  readonly planned: readonly (number | undefined)[];
  /** Seconds that each finished part took. */
  readonly taken: readonly number[];
  /** Seconds since the part under way began. */
  readonly sinceS: number;
}

/** A machine is this much slower or faster than the one that the plan is of, at most. */
const PACE = { min: 0.5, max: 4 };

/**
 * Returns about how many seconds are left: what is planned for the parts to come, by the pace of
 * the others. Undefined where a part to come has no plan.
 */
export function secondsLeft({ planned, taken, sinceS }: Times): number | undefined {
  const plannedOf = (parts: typeof planned) => parts.reduce<number>((sum, s) => sum + (s ?? 0), 0);
  const before = plannedOf(planned.slice(0, taken.length));
  const took = taken.reduce((sum, s, i) => sum + (planned[i] === undefined ? 0 : s), 0);
  const [current, ...later] = planned.slice(taken.length);
  if (current === undefined || later.includes(undefined)) return undefined;
  const until = before > 0 ? took / before : 1;
  // A part that takes longer than planned tells of the machine before it is over.
  const pace = Math.min(PACE.max, Math.max(PACE.min, until, sinceS / current));
  return Math.max(0, current * pace - sinceS) + plannedOf(later) * pace;
}

/**
 * Returns the progress of a run whose first part is under way: a line with the time since the run
 * began and the time left, renewed by itself until {@link Progress.end}.
 */
export function createProgress(
  planned: Times["planned"],
  { stream, now, mostS = Infinity }: ProgressNeeds,
): Progress {
  const taken: number[] = [];
  let partMs = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let what = "";
  const line = () => {
    const sinceS = (now() - partMs) / 1000;
    const nowS = now() / 1000;
    const left = Math.min(secondsLeft({ planned, taken, sinceS }) ?? Infinity, mostS - nowS);
    const told = left === Infinity ? "" : `, about ${Math.max(0, left).toFixed(0)} s left`;
    const time = `${formatSeconds(nowS)}${told}`;
    // The first part is compiling and starting, which is no scenario.
    const where = planned.length > 2 ? `  [${taken.length}/${planned.length - 1}]` : "";
    return `${time}${where}  ${what}`;
  };
  const show = () => {
    if (stream.isTTY) stream.write(`\r\x1b[K${line().slice(0, (stream.columns ?? 100) - 1)}`);
    else if (now() - lastMs >= PLAIN_EVERY_MS) {
      lastMs = now();
      stream.write(`${line()}\n`);
    }
  };
  const clear = () => void (stream.isTTY && stream.write("\r\x1b[K"));
  const timer = setInterval(show, LIVE_EVERY_MS).unref();
  return {
    begin() {
      taken.push((now() - partMs) / 1000);
      partMs = now();
    },
    say(text) {
      what = text;
      show();
    },
    note(text) {
      clear();
      stream.write(`${text}\n`);
    },
    clear,
    end() {
      clearInterval(timer);
      clear();
    },
  };
}
