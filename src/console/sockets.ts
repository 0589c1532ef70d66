import type { Apply } from "../core/apply.ts";
import type { PresentSocket } from "../core/command.ts";
import { readCommand } from "../core/commands.ts";
import { FailureError } from "../core/failures.ts";
import { mask } from "./masks.ts";

/** Sockets of one page, and how many a search looks at for it. */
const PAGE = 50;
const SEARCHED_MAX = 5000;

/** One socket, as a list shows it. */
export interface SocketRow {
  readonly id: string;
  readonly user: string;
  readonly address: string;
  readonly issued: number;
  readonly rooms: readonly string[];
}

/**
 * Resolves with one page of the sockets of all nodes, sorted by id. The query has `namespace`,
 * `room`, `after`, and `text`: a part of the id, the user or the address. A search for a text looks
 * at no more than {@link SEARCHED_MAX} sockets for a page: `next` goes on.
 */
export async function findSockets(
  apply: Apply,
  query: URLSearchParams,
): Promise<{ readonly sockets: readonly SocketRow[]; readonly next?: string | undefined }> {
  const room = query.get("room") ?? "";
  const text = (query.get("text") ?? "").toLowerCase();
  const after = query.get("after") ?? "";
  const command = readCommand({
    do: "fetchSockets",
    namespace: query.get("namespace") ?? "/",
    limit: text === "" ? PAGE : SEARCHED_MAX,
    ...(room !== "" && { in: [room] }),
    ...(after !== "" && { after }),
  });
  const [result] = await apply([command], "api");
  if (!result?.ok) {
    // Fan-out refuses with codes of the table only.
    throw new FailureError((result?.code ?? "COMMANDS_FAILED") as never, result?.detail);
  }
  const { sockets = [], next } = result;
  const found = sockets.map(showRow).filter((row) => isMatch(row, text));
  const page = found.slice(0, PAGE);
  return { sockets: page, next: found.length > PAGE ? page.at(-1)?.id : next };
}

function showRow({ id, data, handshake, rooms }: PresentSocket): SocketRow {
  return {
    id,
    user: userOf(data),
    address: handshake.address,
    issued: handshake.issued,
    rooms: rooms.filter((room) => room !== id).slice(0, 10),
  };
}

function isMatch({ id, user, address }: SocketRow, text: string): boolean {
  return [id, user, address].some((one) => one.toLowerCase().includes(text));
}

/** Returns who a socket is, if its `data.user` says so: a text, or claims of a token. */
function userOf(data: unknown): string {
  const user = (data as { readonly user?: unknown } | null | undefined)?.user;
  if (typeof user === "string" || typeof user === "number") return `${user}`.slice(0, 200);
  if (typeof user !== "object" || user === null) return "";
  const { sub, id, name } = user as Record<string, unknown>; // any object can be read so
  const shown = mask([sub, id, name].find((one) => typeof one === "string")) ?? "";
  return `${shown}`.slice(0, 200);
}
