import type { TestProcess } from "../harness/process.ts";

/** Reasons for which connections end in the rows; any other says that something went wrong. */
const CLOSES: ReadonlySet<string> = new Set(["client_closed", "server_closed", "connection_lost"]);

/** Refusals that the rows ask for. */
const REFUSALS: ReadonlySet<unknown> = new Set(["AUTH_REQUIRED", "AUTH_INVALID"]);

/** From this level on, a line of the log is a warning or an error. */
const WARN = 40;

/**
 * Lists what a gateway has seen go wrong: warnings and errors in its log, and connections that
 * ended for a reason which no row has, and which is not in `closes`. A client may hide such things by connecting again.
 */
export async function findFaults(
  gateway: TestProcess,
  { url, closes }: { readonly url: string; readonly closes: readonly string[] },
): Promise<string[]> {
  const faults: string[] = [];
  for (const text of gateway.output().split("\n").filter(Boolean)) {
    const line = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {};
    const isFault = Number(line.level) >= WARN && !REFUSALS.has(line.code);
    if (isFault || !text.startsWith("{")) faults.push(`the gateway logs ${text}`);
  }
  const scraped = await (await fetch(`${url}/metrics`)).text();
  const counts = scraped.matchAll(
    /^sluice_connections_closed_total\{reason="(\w+)"\} ([1-9]\d*)$/gm,
  );
  for (const [, reason = "", count] of counts) {
    if (!CLOSES.has(reason) && !closes.includes(reason))
      faults.push(`${count} connections ended as ${reason}`);
  }
  return faults;
}
