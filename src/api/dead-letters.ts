import * as z from "zod/mini";
import { FailureError } from "../core/failures.ts";
import type { Exchange, RouteResponse } from "../core/http.ts";
import { ENGLISH } from "../core/zod.ts";
import { type DeadLetters, readBody, type Shared } from "./commands.ts";
import type { Grant } from "./grants.ts";
import { chooseMedia, readMedia, readValue, writeValue } from "./media.ts";

/** Schema of the body of a replay. */
export const REPLAY = z.strictObject({
  ids: z
    .optional(z.array(z.string().check(z.minLength(1), z.maxLength(256))).check(z.maxLength(1000)))
    .register(z.globalRegistry, {
      description:
        "Ids of dead letters. An empty list means none; without it, all that match the other fields.",
    }),
  route: z
    .optional(z.string().check(z.minLength(1), z.maxLength(64)))
    .register(z.globalRegistry, { description: "Only those of this route." }),
  reason: z
    .optional(z.string().check(z.minLength(1), z.maxLength(64)))
    .register(z.globalRegistry, { description: "Only those with this failure code." }),
});

/** Schema of the body that has routes called again. */
export const REVIVE = z.strictObject({
  names: z
    .array(z.string().check(z.minLength(1), z.maxLength(64)))
    .check(z.maxLength(1000))
    .register(z.globalRegistry, { description: "Names of the routes." }),
});

/** How many dead letters a page has. */
export const LETTERS_LIMIT = { byDefault: 100, max: 1000 } as const;

/** Returns one page of the dead letters that match. */
export async function serveDeadLetters(
  exchange: Exchange,
  grant: Grant,
  { packer, deadLetters }: Shared,
): Promise<RouteResponse> {
  const letters = deadLettersOrThrow(grant, deadLetters);
  const query = new URLSearchParams(exchange.query);
  const given = query.get("limit") ?? `${LETTERS_LIMIT.byDefault}`;
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > LETTERS_LIMIT.max) {
    throw new FailureError("API_BAD_QUERY", `limit: must be 1…${LETTERS_LIMIT.max}`);
  }
  const [after, route, reason] = ["after", "route", "reason"].map(
    (name) => query.get(name) ?? undefined,
  );
  const { items, next } = await letters.list({ limit, after, route, reason });
  const page = { deadLetters: items, ...(next !== undefined && { next }) };
  return {
    status: 200,
    ...writeValue(page, chooseMedia(exchange.headers.accept, "json"), packer),
  };
}

/** Makes the calls of dead letters again, and returns how many succeeded. */
export function serveReplay(
  exchange: Exchange,
  grant: Grant | Promise<Grant>,
  shared: Shared,
): Promise<RouteResponse | undefined> {
  const serve: Asked<z.infer<typeof REPLAY>>["serve"] = (letters, wanted) => letters.replay(wanted);
  return serveAsked(exchange, grant, { shared, schema: REPLAY, serve });
}

/** Lists the routes to functions. */
export function serveFunctionRoutes(
  exchange: Exchange,
  grant: Grant,
  { packer, deadLetters }: Shared,
): RouteResponse {
  const routes = deadLettersOrThrow(grant, deadLetters).routes();
  return {
    status: 200,
    ...writeValue({ routes }, chooseMedia(exchange.headers.accept, "json"), packer),
  };
}

/** Has routes called again whose functions were gone, and returns how many were. */
export function serveRevive(
  exchange: Exchange,
  grant: Grant | Promise<Grant>,
  shared: Shared,
): Promise<RouteResponse | undefined> {
  const serve: Asked<z.infer<typeof REVIVE>>["serve"] = async (letters, { names }) => ({
    revived: letters.revive(names),
  });
  return serveAsked(exchange, grant, { shared, schema: REVIVE, serve });
}

interface Asked<T> {
  readonly shared: Shared;
  readonly schema: z.ZodMiniType<T>;
  serve(letters: DeadLetters, asked: T): Promise<unknown>;
}

async function serveAsked<T>(
  exchange: Exchange,
  grant: Grant | Promise<Grant>,
  { shared: { bodies, packer, deadLetters }, schema, serve }: Asked<T>,
): Promise<RouteResponse | undefined> {
  const media = readMedia(exchange.headers["content-type"]);
  if (media === undefined || media === "ndjson") throw new FailureError("API_BAD_TYPE");
  const { body, granted } = await readBody(exchange, grant, bodies);
  if (body === undefined) return undefined;
  const letters = deadLettersOrThrow(granted, deadLetters);
  const asked = schema.safeParse(readValue(body, media, packer), ENGLISH);
  if (!asked.success) {
    const [issue] = asked.error.issues;
    throw new FailureError("API_BAD_BODY", `${issue?.path.join(".")}: ${issue?.message}`);
  }
  const done = await serve(letters, asked.data);
  const wanted = chooseMedia(exchange.headers.accept, media);
  return { status: 200, ...writeValue(done, wanted, packer) };
}

// Dead letters hold what clients of every namespace sent, so the grant must be for all namespaces.
function deadLettersOrThrow(grant: Grant, letters: DeadLetters | undefined): DeadLetters {
  if (!grant.allows("deadLetters", "*")) {
    throw new FailureError("API_FORBIDDEN", "deadLetters in every namespace");
  }
  if (!letters) throw new FailureError("API_NO_UPSTREAM");
  return letters;
}
