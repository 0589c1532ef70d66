/** What became of the sequence numbers that one client should have received. */
export interface Order {
  /** The next sequence number that keeps the order. */
  next: number;
  received: number;
  lost: number;
  duplicated: number;
  reordered: number;
  /** Begins a round whose first message is `sequence`. */
  begin(sequence: number): void;
  /** Notes a message; true if it was the one that was due. */
  note(sequence: number): boolean;
}

/** Gaps remembered, so that a late message is told from a double one; more are counted as lost. */
const MISSING_MAX = 10_000;

/** Returns the bookkeeping of one client. */
export function createOrder(): Order {
  let missing: Set<number> | undefined;
  const order: Order = {
    next: 0,
    received: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    begin(sequence) {
      missing = undefined;
      order.next = sequence;
      order.received = order.lost = order.duplicated = order.reordered = 0;
    },
    note(sequence) {
      order.received++;
      if (sequence === order.next) {
        order.next++;
        return true;
      }
      if (sequence > order.next) skipTo(sequence);
      else if (missing?.delete(sequence)) {
        order.lost--;
        order.reordered++;
      } else order.duplicated++;
      return false;
    },
  };

  function skipTo(sequence: number): void {
    missing ??= new Set();
    for (let s = order.next; s < sequence && missing.size < MISSING_MAX; s++) missing.add(s);
    order.lost += sequence - order.next;
    order.next = sequence + 1;
  }
  return order;
}
