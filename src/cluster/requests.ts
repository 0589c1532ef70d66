import type { Settings } from "../core/settings.ts";

/** The members of cluster adapters by which a node asks the others. */
interface Asking {
  fetchSockets?(opts: FetchOptions): Promise<unknown[]>;
  serverSideEmit?(packet: unknown[]): Promise<void> | void;
}

interface FetchOptions {
  readonly flags?: { readonly local?: boolean; readonly timeout?: number };
}

/**
 * Bounds what one adapter asks of the other nodes: how many requests may be open, and how long. A
 * request that cannot be made fails; `timedOut` hears of those that were not answered by all.
 */
export function guardRequests(
  adapter: Asking,
  { requestTimeoutMs, requestsMax }: Settings["cluster"],
  { isHere, timedOut }: { isHere(): boolean; timedOut(): void },
): void {
  const { fetchSockets, serverSideEmit } = adapter;
  let open = 0;

  function admit(): void {
    if (!isHere()) throw new Error("Redis is away");
    if (open >= requestsMax) throw new Error("cluster.requestsMax requests are open already");
    open++;
  }
  function note(error: unknown): void {
    if (error instanceof Error && /^timeout reached/.test(error.message)) timedOut();
  }

  if (fetchSockets) {
    adapter.fetchSockets = async function (this: Asking, opts) {
      if (opts.flags?.local) return fetchSockets.call(this, opts);
      admit();
      try {
        const flags = { ...opts.flags, timeout: opts.flags?.timeout ?? requestTimeoutMs };
        return await fetchSockets.call(this, { ...opts, flags });
      } catch (error) {
        note(error);
        throw error;
      } finally {
        open--;
      }
    };
  }
  if (serverSideEmit) {
    adapter.serverSideEmit = async function (this: Asking, packet) {
      const ack = packet.at(-1);
      // Nobody looks at the promise: one that is rejected would end the process.
      if (typeof ack !== "function") return ignore(() => serverSideEmit.call(this, packet));
      let over = false;
      const end = (error: unknown, answers: unknown[] = []) => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        open--;
        note(error);
        ack(error, answers);
      };
      try {
        admit();
      } catch (error) {
        ack(error, []);
        return;
      }
      const late = () => end(new Error(`timeout reached: no answer in ${requestTimeoutMs} ms`));
      const timer = setTimeout(late, requestTimeoutMs);
      try {
        await serverSideEmit.call(this, [...packet.slice(0, -1), end]);
      } catch (error) {
        end(error);
      }
    };
  }
}

async function ignore(call: () => unknown): Promise<void> {
  try {
    await call();
  } catch {
    // Counted where the command was given.
  }
}
