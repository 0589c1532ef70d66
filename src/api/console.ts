import type { Command } from "../core/command.ts";
import { FailureError } from "../core/failures.ts";
import type { Exchange, HttpMethod, RouteResponse } from "../core/http.ts";
import type { Log } from "../core/log.ts";
import { type Shared, serveCommands } from "./commands.ts";
import { type Grant, isAllowedBy } from "./grants.ts";
import type { Handler, RouteRow } from "./routes.ts";

/** Adds routes for callers with the right `console`; they are counted and logged as `console`. */
export interface ConsoleRoutes {
  /** Whether a key, or some token, may have the right `console`. */
  readonly isAllowed: boolean;
  /** Adds a route. `serve` resolves as a {@link Handler}. */
  get(path: string, serve: (exchange: Exchange, grant: Grant) => ReturnType<Handler>): void;
  /**
   * Adds a route that carries out commands as `/v1/commands` does, with the same limits and rights.
   * Each is logged with the name of the key.
   */
  commands(path: string): void;
}

/** Returns what adds the routes of the console. */
export function createConsoleRoutes(
  settings: { readonly keys: readonly string[] },
  needs: {
    readonly add: (row: RouteRow, handler: Handler) => void;
    readonly grant: (exchange: Exchange) => Grant | Promise<Grant>;
    readonly shared: Shared;
    readonly log: Log;
    readonly takesTokens: boolean;
  },
): ConsoleRoutes {
  const { add, grant, shared, log } = needs;
  const rowOf = (method: HttpMethod, path: string): RouteRow => ({
    ...{ method, path, name: "console", kind: "page", text: "Of the console.", failures: [] },
  });
  const told = (commands: readonly Command[], { id: key }: Grant): void => {
    for (const command of commands) {
      const { do: name, namespace = "/" } = command;
      const rooms = "to" in command ? command.to : "in" in command ? command.in : undefined;
      const fields = { component: "console", key, command: name, namespace, rooms };
      log("info", fields, "a command from the console");
    }
  };
  return {
    isAllowed: needs.takesTokens || isAllowedBy(settings.keys, "console"),
    get(path, serve) {
      add(rowOf("GET", path), async (exchange) => {
        return serve(exchange, checkConsole(await grant(exchange)));
      });
    },
    commands(path) {
      add(rowOf("POST", path), async (exchange, parent): Promise<RouteResponse | undefined> => {
        const granted = grant(exchange);
        const checked = granted instanceof Promise ? granted.then(checkConsole) : granted;
        if (!(checked instanceof Promise)) checkConsole(checked);
        return serveCommands(exchange, { grant: checked, parent, told }, shared);
      });
    },
  };
}

// The console shows clients of every namespace, so the grant must be for all namespaces.
function checkConsole(grant: Grant): Grant {
  if (grant.allows("console", "*")) return grant;
  throw new FailureError("API_FORBIDDEN", "console in every namespace");
}
