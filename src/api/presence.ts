import type { Apply, FetchCommand } from "../core/command.ts";
import { COMMAND_LIMITS, readCommand } from "../core/commands.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Exchange, HttpAnswer } from "../core/http.ts";
import type { Grant } from "./keys.ts";
import { chooseMedia, type Packer, writeValue } from "./media.ts";
import { answerFailure, checkGranted } from "./requests.ts";

/** What the lists of who is there need. */
export interface PresenceNeeds {
  readonly apply: Apply;
  readonly packer: Packer;
  /** Lists the rooms of a namespace; `undefined` when there is no such namespace. */
  rooms(namespace: string, page: { limit: number; after?: string | undefined }): RoomsPage;
  ready(): FailureCode | undefined;
}

type RoomsPage = Promise<
  | { readonly items: readonly { room: string; sockets: number }[]; readonly next?: string }
  | undefined
>;

/** Rooms and sockets of one page where the query does not say. */
const LIMIT = 100;

/** Answers with one page of the sockets of a namespace. Asks for the grant of `fetchSockets`. */
export async function answerSockets(
  exchange: Exchange,
  grant: Grant,
  needs: PresenceNeeds,
): Promise<HttpAnswer> {
  const command = readQuery(exchange, ["in", "except"]);
  checkGranted(grant, [command]);
  const unready = needs.ready();
  if (unready) return answerFailure(unready);
  const [answer] = await needs.apply([command], "api");
  if (!answer?.ok) {
    // The executor refuses with rows of the table.
    return answerFailure((answer?.code ?? "COMMANDS_FAILED") as FailureCode, answer?.detail);
  }
  const { sockets, next } = answer;
  return write(exchange, { sockets, ...(next !== undefined && { next }) }, needs.packer);
}

/** Answers with one page of the rooms of a namespace. Asks for the grant of `fetchSockets`. */
export async function answerRooms(
  exchange: Exchange,
  grant: Grant,
  needs: PresenceNeeds,
): Promise<HttpAnswer> {
  const command = readQuery(exchange, []);
  checkGranted(grant, [command]);
  const unready = needs.ready();
  if (unready) return answerFailure(unready);
  const { namespace = "/", limit = LIMIT, after } = command;
  const page = await needs.rooms(namespace, { limit, after });
  if (!page) return answerFailure("COMMANDS_NO_NAMESPACE", namespace);
  const { items, next } = page;
  return write(exchange, { rooms: items, ...(next !== undefined && { next }) }, needs.packer);
}

function write(exchange: Exchange, value: unknown, packer: Packer): HttpAnswer {
  return {
    status: 200,
    ...writeValue(value, chooseMedia(exchange.headers.accept, "json"), packer),
  };
}

// A query is the same question as a fetchSockets command, so the same schema bounds it.
function readQuery(exchange: Exchange, lists: readonly ("in" | "except")[]): FetchCommand {
  const query = new URLSearchParams(exchange.query);
  const given: Record<string, unknown> = { do: "fetchSockets", limit: LIMIT };
  for (const [key, value] of query) {
    if (key === "limit") given.limit = /^\d{1,6}$/.test(value) ? Number(value) : value;
    else if (key === "namespace" || key === "after") given[key] = value;
    else if (key === lists[0] || key === lists[1]) given[key] = listOf(query.getAll(key));
    else throw new FailureError("API_BAD_QUERY", `there is no parameter ${key.slice(0, 64)}`);
  }
  try {
    return readCommand(given) as FetchCommand; // `do` is fixed above
  } catch (cause) {
    const detail = cause instanceof FailureError ? cause.detail : undefined;
    throw new FailureError("API_BAD_QUERY", detail?.replace(/^command 0, /, ""), { cause });
  }
}

// `in=` is how a query spells an empty list, and that is nobody: no room has an empty name.
function listOf(values: string[]): string[] {
  return values.length === 1 && values[0] === "" ? [] : values;
}

/** Most items of a page. */
export const PAGE_MAX: number = COMMAND_LIMITS.fetchMax;
