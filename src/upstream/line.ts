/** Those who wait in a line, the longest first. */
export interface Line<T> {
  readonly length: number;
  /** Adds to the end; returns what takes it out again, from wherever it stands then. */
  push(value: T): () => void;
  shift(): T | undefined;
  /** Whoever waits, in order; taking out the current one is allowed. */
  values(): Iterable<T>;
}

interface Place<T> {
  readonly value: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
  gone: boolean;
}

/**
 * Returns an empty line: a linked list, because those who run out of time leave from its middle.
 */
export function createLine<T>(): Line<T> {
  let head: Place<T> | undefined;
  let tail: Place<T> | undefined;
  let length = 0;

  function remove(place: Place<T>): void {
    if (place.gone) return;
    place.gone = true;
    length--;
    if (place.before) place.before.after = place.after;
    else head = place.after;
    if (place.after) place.after.before = place.before;
    else tail = place.before;
  }

  return {
    get length() {
      return length;
    },
    push(value) {
      const place: Place<T> = { value, before: tail, after: undefined, gone: false };
      if (tail) tail.after = place;
      else head = place;
      tail = place;
      length++;
      return () => remove(place);
    },
    shift() {
      const place = head;
      if (place) remove(place);
      return place?.value;
    },
    *values() {
      for (let place = head; place; place = place.after) if (!place.gone) yield place.value;
    },
  };
}
