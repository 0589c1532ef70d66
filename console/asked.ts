import { useEffect, useState } from "preact/hooks";
import { Refused } from "./gateway.ts";

/** What was asked for: nothing yet, a value, or why not. The last value stays while it is asked again. */
export interface Asked<T> {
  readonly value: T | undefined;
  readonly problem: string;
  /** Asks again now. */
  again(): void;
}

/** Asks when the caller is shown, whenever `about` changes, and every `everyMs` if that is set. */
export function useAsked<T>(ask: () => Promise<T>, about: string, everyMs?: number): Asked<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState("");
  const [count, setCount] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    ask().then(
      (found) => {
        if (!isCurrent) return;
        setProblem("");
        setValue(found);
      },
      (error: Error) => {
        if (isCurrent) setProblem(error instanceof Refused ? error.message : `${error}`);
      },
    );
    const timer =
      everyMs === undefined ? undefined : setTimeout(() => setCount((now) => now + 1), everyMs);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [about, count]);
  return { value, problem, again: () => setCount((now) => now + 1) };
}

/** How long ago a time was, in one unit: `12 s`, `3 min`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Milliseconds since 1970 as date and time of this machine. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleString("en-GB");
}
