/** One live line of text, or plain lines where there is no terminal. */
export interface Progress {
  say(text: string): void;
  /** Takes the live line away, so that something can be printed. */
  clear(): void;
}

/** Without a terminal, at most one line in this time: logs of CI stay readable. */
const PLAIN_EVERY_MS = 5000;

/** Returns a progress line on a stream, with the time since it was created. */
export function createProgress(stream: NodeJS.WriteStream): Progress {
  const startedMs = performance.now();
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    say(text) {
      const nowMs = performance.now();
      const line = `${((nowMs - startedMs) / 1000).toFixed(0).padStart(4)} s  ${text}`;
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
