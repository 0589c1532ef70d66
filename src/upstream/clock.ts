/** The times that calls go by. */
export interface Clock {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** The wall clock, in milliseconds since 1970. */
  wall(): number;
}

/** The machine's own clocks. */
export const machineClock: Clock = { now: () => performance.now(), wall: () => Date.now() };
