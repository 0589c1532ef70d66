/** One live line of text, or plain lines where there is no terminal. */
export interface Progress {
  /** The next part of the run begins. */
  begin(): void;
  say(text: string): void;
  /** Takes the live line away, so that something can be printed. */
  clear(): void;
}

/** Without a terminal, at most one line in this time: logs of CI stay readable. */
const PLAIN_EVERY_MS = 5000;

/** What a whole run is made of, for those who wait for it. */
export interface Expected {
  /** About how long it takes; undefined when nobody knows. */
  readonly seconds: number | undefined;
  readonly parts: number;
}

/** Returns a progress line on a stream, with the time since it was created. */
export function createProgress(stream: NodeJS.WriteStream, expected: Expected): Progress {
  const startedMs = performance.now();
  const of = expected.seconds === undefined ? " s" : ` of about ${expected.seconds} s`;
  let lastMs = Number.NEGATIVE_INFINITY;
  let part = 0;
  return {
    begin: () => void part++,
    say(text) {
      const nowMs = performance.now();
      const seconds = ((nowMs - startedMs) / 1000).toFixed(0).padStart(4);
      const where = expected.parts > 1 ? `[${part}/${expected.parts}] ` : "";
      const line = `${seconds}${of}  ${where}${text}`;
      if (stream.isTTY) stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 100) - 1)}`);
      else if (nowMs - lastMs > PLAIN_EVERY_MS) {
        lastMs = nowMs;
        stream.write(`${line}\n`);
      }
    },
    clear() {
      if (stream.isTTY) stream.write("\r\x1b[K");
    },
  };
}
