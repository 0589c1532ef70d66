/** The members of adapters at whose failures nobody looks. */
interface Shielded {
  broadcast?: Method;
  addSockets?: Method;
  delSockets?: Method;
  disconnectSockets?: Method;
  onRawMessage?: Method;
  onMessage?: Method;
  onResponse?: Method;
  serverCount?(): Promise<number>;
}

type Method = (...given: never[]) => unknown;

/** Socket.IO calls these of cluster adapters, and leaves their promises alone. */
const SENDING = ["broadcast", "addSockets", "delSockets", "disconnectSockets"] as const;
/** Clients of Redis call these, from their own events. */
const HEARING = ["onRawMessage", "onMessage", "onResponse"] as const;

/**
 * Keeps what fails in an adapter from ending the process, where nobody could catch it: arguments
 * that no codec can say, a listener that throws at a message of another node.
 *
 * How many nodes there are while Redis does not tell is more than any number: who waits for the
 * answers of all is told with its timeout, and never that it has them.
 */
export function shield(adapter: Shielded, failed: (error: unknown) => void): void {
  for (const name of SENDING) {
    replace(adapter, name, (call) => {
      const result = call();
      return result instanceof Promise ? result.catch(failed) : result;
    });
  }
  for (const name of HEARING) {
    replace(adapter, name, (call) => {
      try {
        return call();
      } catch (error) {
        return failed(error);
      }
    });
  }
  const { serverCount } = adapter;
  if (!serverCount) return;
  adapter.serverCount = function (this: Shielded) {
    return serverCount.call(this).catch(() => Number.POSITIVE_INFINITY);
  };
}

function replace(
  adapter: Shielded,
  name: (typeof SENDING)[number] | (typeof HEARING)[number],
  around: (call: () => unknown) => unknown,
): void {
  const own = adapter[name];
  if (!own) return;
  adapter[name] = function (this: Shielded, ...given) {
    return around(() => own.apply(this, given));
  };
}
