/** A call planned for a time. It can be moved or cancelled before. */
export interface Deadline {
  move(at: number): void;
  cancel(): void;
}

/** Planned calls. Times are milliseconds of the clock `needs.now`. */
export interface Deadlines {
  /** Calls `fire` at `at`, or soon if that has passed. With Infinity it is never called. */
  add(at: number, fire: () => void): Deadline;
  readonly size: number;
  /** Cancels all. */
  stop(): void;
}

/** The clock and the timer of deadlines. */
export interface DeadlinesNeeds {
  /** Wall clock in milliseconds. */
  now(): number;
  /** Calls `fire` once after `ms`; the returned function prevents it. */
  timer(ms: number, fire: () => void): () => void;
}

interface Entry {
  at: number;
  /** Its index in the heap; -1 once it is removed. */
  index: number;
  readonly fire: () => void;
}

/**
 * Longer waits are split into steps. Timers use a monotonic clock, which stops while the machine
 * sleeps; deadlines use the wall clock, which can be set. Also, a timer above 2^31 - 1 ms fires at
 * once.
 */
const WAIT_MS_MAX = 60_000;

/**
 * Returns deadlines that share one timer. They are in a binary heap: adding, moving or cancelling
 * one takes O(log n), and a cancelled one uses no memory.
 */
export function createDeadlines(needs: DeadlinesNeeds): Deadlines {
  const heap: Entry[] = [];
  let disarm: (() => void) | undefined;
  let armedAt = Number.POSITIVE_INFINITY;

  function arm(): void {
    const first = heap[0]?.at ?? Number.POSITIVE_INFINITY;
    if (first === armedAt) return;
    disarm?.();
    disarm = undefined;
    armedAt = first;
    if (first === Number.POSITIVE_INFINITY) return; // there is none, or none that ever fires
    const wait = Math.min(WAIT_MS_MAX, Math.max(0, first - needs.now()));
    disarm = needs.timer(wait, run);
  }

  function run(): void {
    armedAt = Number.POSITIVE_INFINITY;
    disarm = undefined;
    const now = needs.now();
    for (let first = heap[0]; first && first.at <= now; first = heap[0]) {
      remove(heap, first);
      first.fire();
    }
    arm();
  }

  return {
    get size() {
      return heap.length;
    },
    add(at, fire) {
      const entry = { at, index: heap.length, fire };
      heap.push(entry);
      rise(heap, entry);
      arm();
      return {
        move(later) {
          remove(heap, entry);
          entry.at = later;
          entry.index = heap.length;
          heap.push(entry);
          rise(heap, entry);
          arm();
        },
        cancel() {
          remove(heap, entry);
          arm();
        },
      };
    },
    stop() {
      for (const entry of heap) entry.index = -1;
      heap.length = 0;
      arm();
    },
  };
}

function remove(heap: Entry[], entry: Entry): void {
  if (entry.index < 0) return;
  const at = entry.index;
  const last = heap.pop();
  entry.index = -1;
  if (!last || last === entry) return;
  place(heap, last, at);
  rise(heap, last);
  sink(heap, last);
}

function place(heap: Entry[], entry: Entry, index: number): void {
  heap[index] = entry;
  entry.index = index;
}

function rise(heap: Entry[], entry: Entry): void {
  for (let parent = above(heap, entry); parent && parent.at > entry.at; parent = above(heap, entry))
    swap(heap, entry, parent);
}

function sink(heap: Entry[], entry: Entry): void {
  for (let child = below(heap, entry); child && child.at < entry.at; child = below(heap, entry))
    swap(heap, entry, child);
}

const above = (heap: Entry[], { index }: Entry) => (index > 0 ? heap[(index - 1) >> 1] : undefined);

function below(heap: Entry[], { index }: Entry): Entry | undefined {
  const left = heap[2 * index + 1];
  const right = heap[2 * index + 2];
  return left && right && right.at < left.at ? right : left;
}

function swap(heap: Entry[], a: Entry, b: Entry): void {
  const at = a.index;
  place(heap, a, b.index);
  place(heap, b, at);
}
