import type { Socket } from "socket.io";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import type { Connection } from "./connection.ts";
import { createDeadlines, type Deadline, type DeadlinesNeeds } from "./deadlines.ts";
import {
  type AskingRequest,
  type CarriedTokens,
  createGrants,
  type Grant,
  isRefused,
  type Refused,
} from "./grants.ts";
import type { KeySetNeeds } from "./key-set.ts";
import {
  answerEvent,
  type ConnectAuth,
  type EventPacket,
  sessionIdOf,
  setSessionId,
} from "./socket-io.ts";
import { type Claims, createTokenCheck } from "./tokens.ts";

/** Results of looking at a token, as `sluice_authentications_total{result}` shows them. */
export const AUTH_RESULTS = [
  "accepted",
  "auth_required",
  "auth_invalid",
  "auth_expired",
  "auth_too_long",
  "auth_wrong_user",
  "auth_unavailable",
] as const;

/** What authentication needs of the world. `now` is the wall clock in milliseconds. */
export interface AuthNeeds extends DeadlinesNeeds, KeySetNeeds {
  authenticated(result: string, seconds: number): void;
}

/** A connection whose request may carry a token in its query or in a header. */
export interface AskingConnection {
  readonly request: AskingRequest & { url: string; readonly _query: Record<string, string> };
}

/** How a session may be asked for. */
export interface Decision {
  /** Without `pid` if it shall be a new session. */
  readonly auth: ConnectAuth;
  /** Returns the rooms of a session but those that only an older token granted. */
  narrow(session: StoredSession): readonly unknown[];
}

/** What is looked at of a session. */
export interface StoredSession {
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** Who a socket's client is. */
export interface Auth {
  /**
   * Notes the tokens of a new connection's request, which an application may discard, and takes the
   * one out of its query, which handlers, functions and APIs see.
   */
  opened(connection: AskingConnection): void;
  /** Resolves with why a socket may not enter, or sets its `data.user`. Never rejects. */
  enter(socket: Socket): Promise<Refused | undefined>;
  /** Joins a connected socket's granted rooms and watches over its token's end. */
  connected(socket: Socket): void;
  /** Whether an event was a refreshed token, and so is none of the application's. */
  takes(socket: Socket, packet: EventPacket): boolean;
  /** Whether a session may be asked for with this auth object: only by the user it belongs to. */
  decide(conn: Connection, auth: ConnectAuth): Promise<Decision>;
  /** Sockets whose token's end is watched. */
  readonly watched: number;
  stop(): void;
}

interface Watch {
  grant: Grant;
  warned: boolean;
  refreshing: boolean;
  readonly deadline: Deadline | undefined;
}

/** The event by which a client hands in a newer token, and the one that tells it to. */
export const TOKEN_REFRESH = "token_refresh";
export const TOKEN_EXPIRING = "token_expiring";

/**
 * Returns the authentication that `auth.mode` names: by token, or none here (`upstream` decides in
 * the connect call). In production an open door is said aloud, once.
 */
export function createAuth(
  settings: Settings["auth"],
  production: boolean,
  needs: AuthNeeds,
): Auth | undefined {
  if (settings.mode === "jwt") return createJwtAuth(settings, needs);
  if (settings.mode === "none" && production) {
    const text = "auth.mode is none: whoever reaches this port may connect and emit any event";
    needs.log("warn", "open", { room: "socket" }, text);
  }
  return undefined;
}

/**
 * Returns authentication by JSON Web Token.
 *
 * `socket.data.user` is the token's claims, `socket.data.userId` the user they name. A session is
 * recovered only by the user it was opened by: its secret carries a digest of the user's name, so
 * that the stored packets of another's session are never read. With `exp` the connection is told by
 * `token_expiring` and closed as `token_expired`, unless the client emits `token_refresh` with a
 * newer token of the same user; that event is answered with `{ expiresAt }` or `{ error: { code,
 * message, retry } }` and no listener of the application sees it. All tokens share one timer.
 */
export function createJwtAuth(settings: Settings["auth"], needs: AuthNeeds): Auth {
  const grants = createGrants(settings, createTokenCheck(settings, needs));
  const deadlines = createDeadlines(needs);
  /** Looked at before the socket existed, keyed by the auth object it carries. */
  const looked = new WeakMap<object, Grant | Refused>();
  const watches = new Map<Socket, Watch>();
  /** Tokens of the requests that connections began with. */
  const carried = new WeakMap<object, CarriedTokens>();
  const entering = new WeakMap<Socket, Grant>();

  async function look(token: unknown): Promise<Grant | Refused> {
    const begun = performance.now();
    const found = await grants.grant(token);
    const result = isRefused(found) ? found.code.toLowerCase() : "accepted";
    needs.authenticated(result, (performance.now() - begun) / 1000);
    return found;
  }

  function lookAt(conn: Connection, auth: ConnectAuth): Promise<Grant | Refused> {
    return look(grants.read({ auth, ...carried.get(conn) }));
  }

  function watch(socket: Socket, grant: Grant): void {
    const { expiresAt } = grant;
    const at = expiresAt === undefined ? undefined : firstLook(expiresAt);
    const deadline = deadlines.add(at ?? Number.POSITIVE_INFINITY, () => expire(socket));
    watches.set(socket, { grant, warned: false, refreshing: false, deadline });
    socket.once("disconnect", () => {
      watches.delete(socket);
      deadline.cancel();
    });
  }

  const firstLook = (expiresAt: number) =>
    settings.expiryWarningMs > 0
      ? expiresAt - settings.expiryWarningMs
      : expiresAt + settings.clockToleranceMs;

  function expire(socket: Socket): void {
    const watched = watches.get(socket);
    const expiresAt = watched?.grant.expiresAt;
    if (!watched || expiresAt === undefined) return;
    const end = expiresAt + settings.clockToleranceMs;
    if (needs.now() >= end) {
      (socket.conn as unknown as Connection).closeAs("token_expired"); // the engine makes no others
      return;
    }
    if (!watched.warned) socket.emit(TOKEN_EXPIRING, { expiresAt });
    watched.warned = true;
    watched.deadline?.move(end);
  }

  /** Joins what a grant gives and leaves what only an earlier one gave. */
  function applyRooms(socket: Socket, grant: Grant, before: ReadonlySet<string>): void {
    for (const room of before) if (!grant.rooms.has(room)) void socket.leave(room);
    for (const room of grant.rooms) if (!before.has(room)) void socket.join(room);
  }

  async function refresh(socket: Socket, watched: Watch, token: unknown): Promise<unknown> {
    const found = await look(token);
    if (isRefused(found)) return { error: inWords(found.code) };
    if (found.owner !== watched.grant.owner) return { error: inWords("AUTH_WRONG_USER") };
    if (!socket.connected) return undefined;
    applyRooms(socket, found, watched.grant.rooms);
    watched.grant = found;
    watched.warned = false;
    socket.data.user = found.claims;
    const { expiresAt } = found;
    watched.deadline?.move(
      expiresAt === undefined ? Number.POSITIVE_INFINITY : firstLook(expiresAt),
    );
    return { expiresAt };
  }

  function narrow({ rooms, data }: StoredSession, found: Grant | Refused): readonly unknown[] {
    if (isRefused(found)) return [];
    // What it holds as `user` are claims, because only enter() writes it.
    const before = grants.roomsOf((data as { user?: Claims } | undefined)?.user);
    return rooms.filter((room) => {
      const name = room as string; // a room that is no text was never granted
      return !before.has(name) || found.rooms.has(name);
    });
  }

  return {
    opened(connection) {
      const { request } = connection;
      const tokens = grants.readRequest(request);
      if (tokens.header !== undefined || tokens.query !== undefined)
        carried.set(connection, tokens);
      if (tokens.query === undefined) return;
      delete request._query[settings.tokenName];
      request.url = `${request.url.split("?")[0]}?${new URLSearchParams(request._query)}`;
    },
    async decide(conn, auth) {
      const found = await lookAt(conn, auth);
      const owns = !isRefused(found) && String(auth.pid).endsWith(`.${found.owner}`);
      const next = owns ? auth : { ...auth, pid: undefined };
      looked.set(next, found);
      return { auth: next, narrow: (session) => narrow(session, found) };
    },
    async enter(socket) {
      const { auth } = socket.handshake;
      // The engine of these sockets makes no other connections.
      const found = looked.get(auth) ?? (await lookAt(socket.conn as unknown as Connection, auth));
      if (isRefused(found)) return found;
      entering.set(socket, found);
      socket.data.user = found.claims;
      // A recovered one keeps the name it had, which is the function's if that gave it another.
      const isNamed = socket.recovered && typeof socket.data.userId === "string";
      if (!isNamed) socket.data.userId = found.userId;
      const session = sessionIdOf(socket);
      if (session !== undefined && !socket.recovered) {
        setSessionId(socket, `${session}.${found.owner}`);
      }
      return undefined;
    },
    connected(socket) {
      const grant = entering.get(socket);
      if (!grant) return;
      // A recovered socket has its rooms back, but for those that its older token granted alone.
      applyRooms(socket, grant, new Set());
      watch(socket, grant);
    },
    takes(socket, packet) {
      const watched = watches.get(socket);
      const [name, token] = Array.isArray(packet.data) ? packet.data : [];
      if (!watched || name !== TOKEN_REFRESH) return false;
      if (watched.refreshing) {
        answerEvent(socket, packet, { error: inWords("AUTH_UNAVAILABLE") });
        return true;
      }
      watched.refreshing = true;
      void refresh(socket, watched, token).then((answer) => {
        watched.refreshing = false;
        if (answer !== undefined) answerEvent(socket, packet, answer);
      });
      return true;
    },
    get watched() {
      return deadlines.size;
    },
    stop() {
      deadlines.stop();
      watches.clear();
    },
  };
}

/** What a client is told of a failure. */
export function inWords(code: FailureCode): FailureWords {
  const { text, retry } = FAILURES[code];
  return { code, message: text, retry };
}

/** A failure as clients see it. */
export interface FailureWords {
  readonly code: FailureCode;
  readonly message: string;
  readonly retry: boolean;
}
