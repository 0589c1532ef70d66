import { useEffect, useState } from "preact/hooks";
import { listen, type Refused } from "./gateway.ts";

/** The figures of the last minutes. */
export interface Live {
  /** Seconds since 1970, one for each row. */
  readonly times: readonly number[];
  /** Names that begin with a prefix, such as `connections `. */
  names(prefix: string): readonly string[];
  /** Values of a name, one for each row. */
  values(name: string): number[];
  /** What a name grew by in each second. */
  rates(name: string): number[];
}

interface Rows {
  readonly names: readonly string[];
  readonly rows: readonly (readonly number[])[];
}

/** A stream that was cut is opened again after this time. */
const AGAIN_MS = 2000;

/**
 * Follows the samples for as long as the caller is shown. Rows above `rowsMax` are forgotten, the
 * oldest first. `problem` is empty while the stream is open.
 */
export function useLive(rowsMax: number): { readonly live: Live; readonly problem: string } {
  const [{ names, rows }, setRows] = useState<Rows>({ names: [], rows: [] });
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let end = (): void => {};
    let timer: ReturnType<typeof setTimeout>;
    const open = (): void => {
      end = listen("console/live", {
        heard(event, data) {
          setProblem("");
          if (event === "history") setRows(data as Rows);
          else setRows((before) => append(before, data as Appended, rowsMax));
        },
        ended({ message }: Refused) {
          setProblem(message);
          timer = setTimeout(open, AGAIN_MS);
        },
      });
    };
    open();
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [rowsMax]);
  return { live: readRows({ names, rows }), problem };
}

interface Appended {
  readonly names: readonly string[];
  readonly row: readonly number[];
}

function append(before: Rows, { names, row }: Appended, rowsMax: number): Rows {
  const rows = [...before.rows, row].slice(-rowsMax);
  return { names: names.length > 0 ? [...before.names, ...names] : before.names, rows };
}

function readRows({ names, rows }: Rows): Live {
  const values = (name: string): number[] => {
    const at = names.indexOf(name);
    return rows.map((row) => row[at] ?? 0);
  };
  const times = values("at").map((at) => at / 1000);
  return {
    times,
    names: (prefix) => names.filter((name) => name.startsWith(prefix)).sort(),
    values,
    rates(name) {
      const totals = values(name);
      return totals.map((total, row) => {
        const seconds = (times[row] ?? 0) - (times[row - 1] ?? 0);
        if (row === 0 || seconds <= 0) return 0;
        return Math.max(0, (total - (totals[row - 1] ?? 0)) / seconds);
      });
    },
  };
}
