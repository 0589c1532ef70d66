/** What a node asks of all nodes at once, and what it makes of their answers. */
import { type CountedOthers, sizeOfRoom } from "../core/membership.ts";
import type { Address, Answer, Told } from "./messages.ts";
import type { Requests } from "./requests.ts";

/** Resolves with the sockets of all nodes that are addressed. Rejects as `Requests.collect`. */
export async function askSockets(
  requests: Requests,
  to: Address,
  timeoutMs: number,
): Promise<object[]> {
  const answers = new Map<string, Answer>();
  const asked = { answers, answersItself: true, timeoutMs };
  await requests.collect((request) => ({ do: "fetch", to, request }), asked);
  return [...answers.values()].flatMap((each) => ("sockets" in each ? each.sockets : []));
}

/** Resolves with what other nodes answer to an event, and with why some did not, or null. */
export async function askValues(
  requests: Requests,
  data: unknown[],
  timeoutMs: number,
): Promise<{ readonly values: readonly unknown[]; readonly error: unknown }> {
  const create = (request: number): Told => ({ do: "serverEmit", data, request });
  const { answers, error } = await askOthers(requests, create, timeoutMs);
  return { values: answers.map((each) => ("value" in each ? each.value : undefined)), error };
}

/** Resolves with how many sockets of other nodes are in each of some rooms. */
export async function askCounts(
  requests: Requests,
  rooms: readonly string[],
  timeoutMs: number,
): Promise<CountedOthers> {
  const create = (request: number): Told => ({ do: "count", rooms, request });
  const { answers, error } = await askOthers(requests, create, timeoutMs);
  const lists = answers.map((each) => ("counts" in each ? each.counts : []));
  const counts = rooms.map((_, at) => lists.reduce((sum, list) => sum + (list[at] ?? 0), 0));
  return { counts, whole: error === null };
}

/** Returns what a node answers that is asked how many of its sockets are in some rooms. */
export function countIn(
  there: ReadonlyMap<unknown, ReadonlySet<unknown>>,
  rooms: readonly string[],
): Answer {
  return { counts: rooms.map((room) => sizeOfRoom(there, room)) };
}

async function askOthers(
  requests: Requests,
  create: (request: number) => Told,
  timeoutMs: number,
): Promise<{ readonly answers: readonly Answer[]; readonly error: unknown }> {
  const answers = new Map<string, Answer>();
  const error: unknown = await requests
    .collect(create, { answers, answersItself: false, timeoutMs })
    .then(
      () => null,
      (why: unknown) => why,
    );
  return { answers: [...answers.values()], error };
}
