import type { FetchCommand } from "../core/command.ts";
import { readCommand } from "../core/commands.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Exchange, RouteResponse } from "../core/http.ts";
import { responseOfFailure, type Shared } from "./commands.ts";
import { checkGranted, type Grant } from "./grants.ts";
import { chooseMedia, type Packer, writeValue } from "./media.ts";

/** Items of a page when the query has no `limit`. */
const LIMIT = 100;

/** Returns one page of the sockets of a namespace. Needs a grant of `fetchSockets`. */
export async function serveSockets(
  exchange: Exchange,
  grant: Grant,
  shared: Shared,
): Promise<RouteResponse> {
  const command = readQuery(exchange, ["in", "except"]);
  checkGranted(grant, [command]);
  const unready = shared.ready();
  if (unready) return responseOfFailure(unready);
  const [result] = await shared.apply([command], "api");
  if (!result?.ok) {
    // Fan-out refuses with codes of the table only.
    return responseOfFailure((result?.code ?? "COMMANDS_FAILED") as FailureCode, result?.detail);
  }
  const { sockets, next } = result;
  return write(exchange, { sockets, ...(next !== undefined && { next }) }, shared.packer);
}

/** Returns one page of the rooms of a namespace. Needs a grant of `fetchSockets`. */
export async function serveRooms(
  exchange: Exchange,
  grant: Grant,
  shared: Shared,
): Promise<RouteResponse> {
  const command = readQuery(exchange, []);
  checkGranted(grant, [command]);
  const unready = shared.ready();
  if (unready) return responseOfFailure(unready);
  const { namespace = "/", limit = LIMIT, after } = command;
  const page = await shared.rooms(namespace, { limit, after });
  if (!page) return responseOfFailure("COMMANDS_NO_NAMESPACE", namespace);
  const { items, next } = page;
  return write(exchange, { rooms: items, ...(next !== undefined && { next }) }, shared.packer);
}

function write(exchange: Exchange, value: unknown, packer: Packer): RouteResponse {
  return {
    status: 200,
    ...writeValue(value, chooseMedia(exchange.headers.accept, "json"), packer),
  };
}

// Reads the query as a fetchSockets command, so that one schema bounds both.
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

// `in=` is an empty list, which selects nobody. No room has an empty name.
function listOf(values: string[]): string[] {
  return values.length === 1 && values[0] === "" ? [] : values;
}
