import type { Socket } from "socket.io";
import type { Settings } from "../core/settings-shape.ts";
import { connectionOf, sessionIdOf, setSessionId } from "../seam/socket-io.ts";
import type { ConnectAuth } from "../seam/socket-io-inside.ts";
import { createExpiry } from "./expiry.ts";
import {
  createGrants,
  type Grant,
  isRefused,
  type Refused,
  type RequestTokens,
  type TokenConnection,
} from "./grants.ts";
import type { KeySetNeeds } from "./key-set.ts";
import { type Claims, createTokenCheck } from "./tokens.ts";

/** Results of checking a token, as `sluice_authentications_total{result}` shows them. */
export const AUTH_RESULTS = [
  "accepted",
  "auth_required",
  "auth_invalid",
  "auth_expired",
  "auth_too_long",
  "auth_wrong_user",
  "auth_unavailable",
] as const;
/** One of {@link AUTH_RESULTS}. */
export type AuthResult = (typeof AUTH_RESULTS)[number];

/** Returns a session's rooms, without those that only an older token granted. */
export type NarrowRooms = (session: StoredSession) => readonly unknown[];

/** The parts of a stored session that authentication reads. */
interface StoredSession {
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** Authenticates the clients of sockets. */
export type Auth = ReturnType<typeof createAuth>;

/**
 * Returns authentication by JSON Web Token.
 *
 * `socket.data.user` is the token's claims, `socket.data.userId` the user they name. Only the user
 * that opened a session can recover it. The session's secret ends in a digest of the user's name,
 * so the stored packets of another user's session are never read.
 *
 * If the token has `exp`, the client is told by `token_expiring`. The connection is closed as
 * `token_expired` unless the client emits `token_refresh` with a newer token of the same user. That
 * event is answered with `{ expiresAt }` or `{ error: { code, message, retry } }`, and no listener
 * of the application gets it.
 */
export function createAuth(
  settings: Settings["auth"],
  needs: KeySetNeeds & { authenticated(result: AuthResult, seconds: number): void },
) {
  const grants = createGrants(settings, createTokenCheck(settings, needs));
  /** Results of checks made before the socket existed, by the auth object that the socket gets. */
  const checked = new WeakMap<object, Grant | Refused>();
  /** Tokens of the requests that connections began with. */
  const requestTokens = new WeakMap<object, RequestTokens>();
  /** Grants of sockets that are entering their namespace. */
  const entering = new WeakMap<Socket, Grant>();

  async function check(token: unknown): Promise<Grant | Refused> {
    const begun = performance.now();
    const found = await grants.grant(token);
    // A check refuses with codes of AUTH_RESULTS alone.
    const result = isRefused(found) ? (found.code.toLowerCase() as AuthResult) : "accepted";
    needs.authenticated(result, (performance.now() - begun) / 1000);
    return found;
  }

  function checkConnect(conn: TokenConnection, auth: ConnectAuth): Promise<Grant | Refused> {
    return check(grants.read(auth, requestTokens.get(conn)));
  }

  const expiry = createExpiry(settings, needs.now, check);
  return {
    /**
     * Stores the tokens of a new connection's request, because an application may discard the
     * request. Removes the token from the query, which handlers, functions and APIs can read.
     */
    opened(connection: TokenConnection): void {
      const { request } = connection;
      const tokens = grants.readRequest(request);
      if (tokens.header !== undefined || tokens.query !== undefined)
        requestTokens.set(connection, tokens);
      if (tokens.query === undefined) return;
      delete request._query[settings.tokenName];
      request.url = `${request.url.split("?")[0]}?${new URLSearchParams(request._query)}`;
    },
    /**
     * Decides whether a client may ask for a session: only the user it belongs to may. Resolves
     * with the auth object to go on with. It has no `pid` if the client must get a new session.
     */
    async decide(conn: TokenConnection, auth: ConnectAuth) {
      const found = await checkConnect(conn, auth);
      const owns = !isRefused(found) && String(auth.pid).endsWith(`.${found.owner}`);
      const next = owns ? auth : { ...auth, pid: undefined };
      checked.set(next, found);
      const narrow: NarrowRooms = (session) => narrowRooms(session, found, grants.roomsOf);
      return { auth: next, narrow };
    },
    /** Resolves with why a socket may not enter, or sets its `data.user`. Never rejects. */
    async enter(socket: Socket): Promise<Refused | undefined> {
      const { auth } = socket.handshake;
      const found = checked.get(auth) ?? (await checkConnect(connectionOf(socket), auth));
      if (isRefused(found)) return found;
      entering.set(socket, found);
      setUser(socket, found);
      return undefined;
    },
    /** Joins a connected socket to its granted rooms and watches its token's expiry. */
    connected(socket: Socket): void {
      const grant = entering.get(socket);
      if (grant) expiry.add(socket, grant);
    },
    check: expiry.check,
    takeRefresh: expiry.takeRefresh,
    watched: expiry.size,
    stop: expiry.stop,
  };
}

/** Returns a session's rooms, without those that its token granted and the new one does not. */
function narrowRooms(
  { rooms, data }: StoredSession,
  found: Grant | Refused,
  roomsOf: (claims: Claims | undefined) => ReadonlySet<string>,
): readonly unknown[] {
  if (isRefused(found)) return [];
  // `user` holds claims, because only setUser() writes it.
  const before = roomsOf((data as { user?: Claims } | undefined)?.user);
  return rooms.filter((room) => {
    const name = room as string; // a room that is not a string was never granted
    return !before.has(name) || found.rooms.has(name);
  });
}

/** Sets the user of a socket, and makes a new session recoverable by that user only. */
function setUser(socket: Socket, grant: Grant): void {
  socket.data.user = grant.claims;
  // A recovered socket keeps its userId: the function may have given it another one.
  const isNamed = socket.recovered && typeof socket.data.userId === "string";
  if (!isNamed) socket.data.userId = grant.userId;
  const session = sessionIdOf(socket);
  if (session !== undefined && !socket.recovered) {
    setSessionId(socket, `${session}.${grant.owner}`);
  }
}
