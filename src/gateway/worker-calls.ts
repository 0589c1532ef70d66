import type { Namespace, Server } from "socket.io";
import { eachNamespace, namespacesOf } from "../seam/socket-io.ts";
import type { CallPlace, Upstream } from "../upstream/upstream.ts";

/** The event by which workers ask each other. It is no client's: clients cannot send it. */
const QUESTION = "sluice:calls";

/** Calls of one question: thousands of clients may come back at once. */
const ASKED_MAX = 1000;

/**
 * Asks the other workers whether they have older calls of the sockets of these, whose sessions go
 * on here. Resolves in their order.
 *
 * The answers come in the order of the namespace's log. So what an older call has changed about its
 * socket is here before it is known that it is over. A worker that is gone has no calls, and one
 * that does not answer in time is not waited for.
 */
export async function askOlder(io: Server, calls: readonly CallPlace[]): Promise<boolean[]> {
  const found = new Map<CallPlace, boolean>();
  for (const name of new Set(calls.map(({ namespace }) => namespace))) {
    const own = calls.filter(({ namespace }) => namespace === name);
    for (let at = 0; at < own.length; at += ASKED_MAX) {
      const part = own.slice(at, at + ASKED_MAX);
      const answers = await ask(namespacesOf(io).get(name), part);
      for (const [n, call] of part.entries()) {
        found.set(
          call,
          answers.some((each) => Array.isArray(each) && each[n] === true),
        );
      }
    }
  }
  return calls.map((call) => found.get(call) === true);
}

async function ask(
  namespace: Namespace | undefined,
  calls: readonly CallPlace[],
): Promise<unknown[]> {
  const places = calls.map(({ namespace, socketId, order }) => ({ namespace, socketId, order }));
  try {
    return (await namespace?.serverSideEmitWithAck(QUESTION, places)) ?? [];
  } catch (error) {
    return (error as { readonly responses?: unknown[] }).responses ?? [];
  }
}

/** Answers what other workers ask, in every namespace; returns how to end that. */
export function answerOlder(io: Server, upstream: Pick<Upstream, "hasOlder">): () => void {
  const hear = (places: readonly CallPlace[], done: (older: boolean[]) => void): void =>
    done(places.map(upstream.hasOlder));
  const all = new Set<Namespace>();
  const unwatch = eachNamespace(io, (namespace) => {
    all.add(namespace);
    namespace.on(QUESTION as never, hear as never); // its types know the events of clients only
  });
  return () => {
    unwatch();
    for (const namespace of all) namespace.off(QUESTION as never, hear as never);
  };
}
